/* Unit: src/container.c: container.id of either version of control groups, Kubernetes' names, the machine's id; from files and
 * variables of the test's own. */
#define _GNU_SOURCE
#include "container.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "alone.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define MACHINE "00112233445566778899aabbccddeeff"

/* ---- the two files ---- */

static void an_id_is_found_in_control_groups(void **state)
{
	static const char *const good[] = {
		"0::/docker/" ID "\n",
		"0::/docker/" ID,
		"12:pids:/\n11:memory:/docker/" ID "\n10:cpu:/docker/" OTHER "\n",
		"0::/system.slice/docker-" ID ".scope\n",
		"1:name=systemd:/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope\n",
		"1:name=systemd:/kubepods/burstable/pod-uid/crio-" ID "\n",
		"0::/machine.slice/libpod-" ID ".scope\n",
		"1:cpu:/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID "x\n0::/a/" ID "\n",
		"1:cpuset:/ecs/task/" ID "\n",
	};
	static const char *const bad[] = {
		"", "\n", "0::/\n", "0::/user.slice/user-1000.slice/session-3.scope\n", "0::/docker/" ID "0\n", "0::/docker/0" ID "\n",
		"0::/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\n", "0::/docker/" ID ".slice\n",
		"0::/docker/" ID "/init.scope\n", ".scope\n", "0::/" MACHINE "\n",
	};
	char id[WEIR__CONTAINER_ID + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		if (!weir__container_in_cgroup(id, good[i]))
			fail_msg("nothing in %s", good[i]);
		assert_string_equal(id, ID);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		if (weir__container_in_cgroup(id, bad[i]))
			fail_msg("%s in %s", id, bad[i]);
}

static void an_id_is_found_among_mounts(void **state)
{
	static const char *const good[] = {
		"500 480 254:1 /var/lib/docker/containers/" ID "/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw\n",
		"1 0 0:1 / / rw - overlay overlay rw\n"
		"2 1 0:2 /containers/overlay-containers/" ID "/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n",
	};
	static const char *const bad[] = {
		"", "\n", "1\n", "1 2 3\n", "1 2 3 4\n", "1 2 3 4 5",
		"500 480 254:1 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/" ID "/hostname /etc/hostname rw - ext4 x rw\n",
		"500 480 254:1 /var/lib/docker/containers/" ID "/hosts /etc/hosts rw - ext4 /dev/vda1 rw\n", /* any mount will not do */
		"500 480 254:1 /var/lib/docker/containers/" ID " /var/lib/docker/containers/" ID "/mounts rw - ext4 x rw\n",
		"500 480 254:1 /var/lib/docker/containers/" ID "f/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n",
		"500 480 254:1 /var/lib/docker/containers/01234567/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n",
	};
	char id[WEIR__CONTAINER_ID + 1], huge[4096];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		if (!weir__container_in_mounts(id, good[i]))
			fail_msg("nothing in %s", good[i]);
		assert_string_equal(id, ID);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		if (weir__container_in_mounts(id, bad[i]))
			fail_msg("%s in %s", id, bad[i]);
	memset(huge, 'x', sizeof huge - 1);
	huge[sizeof huge - 1] = '\0';
	assert_false(weir__container_in_mounts(id, huge));
	assert_false(weir__container_in_cgroup(id, huge));
}

/* ---- all of it ---- */

static char folder[] = "/tmp/weir-container-XXXXXX";
static char paths[4][64];

static void put_file(int which, const char *text, size_t len)
{
	int fd = open(paths[which], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}
#define PUT(which, text) put_file((which), (text), sizeof(text) - 1)
enum { CGROUP, MOUNTS, MACHINE_ID, NAMESPACE };

static char told[1024];
static void tell(void *arg, const char *key, const char *value)
{
	assert_ptr_equal(arg, told);
	snprintf(told + strlen(told), sizeof told - strlen(told), "%s=%s;", key, value);
}

static const char *all_told(void)
{
	told[0] = '\0';
	weir__container_tell(tell, told);
	return told;
}

static void begin(void)
{
	static const char *const names[] = {"cgroup", "mountinfo", "machine-id", "namespace"};
	static const char *const variables[] = {"OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "OTEL_RESOURCE_ATTRIBUTES_POD_UID",
	                                        "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME", "K8S_POD_NAME", "K8S_POD_UID", "K8S_NODE_NAME",
	                                        "K8S_NAMESPACE_NAME", "K8S_NAMESPACE", "K8S_CONTAINER_NAME", "POD_NAME", "POD_UID",
	                                        "POD_NAMESPACE", "NAMESPACE", "NODE_NAME", "CONTAINER_NAME"};

	assert_non_null(mkdtemp(folder));
	for (int i = 0; i < 4; i++)
		snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
	for (size_t i = 0; i < COUNT(variables); i++)
		unsetenv(variables[i]);
	unsetenv("KUBERNETES_SERVICE_HOST");
	weir__container_files = (struct weir__container_files){paths[CGROUP], paths[MOUNTS], paths[MACHINE_ID], paths[NAMESPACE]};
}

static void end(void)
{
	for (int i = 0; i < 4; i++)
		unlink(paths[i]);
	assert_int_equal(rmdir(folder), 0);
}

ALONE(a_container_is_told)
{
	begin();
	assert_string_equal(all_told(), ""); /* no file at all */
	PUT(CGROUP, "0::/\n");
	PUT(MOUNTS, "1 0 0:1 / / rw - overlay overlay rw\n"
	            "2 1 0:2 /docker/containers/" OTHER "/hostname /etc/hostname rw - ext4 x rw\n");
	PUT(MACHINE_ID, MACHINE "\n");
	assert_string_equal(all_told(), "container.id=" OTHER ";"); /* and not the machine's, which may be the image's */
	PUT(CGROUP, "0::/docker/" ID "\n");
	assert_string_equal(all_told(), "container.id=" ID ";");
	end();
}

ALONE(a_machine_is_told)
{
	begin();
	PUT(CGROUP, "0::/user.slice\n");
	PUT(MOUNTS, "1 0 0:1 / / rw - ext4 /dev/vda1 rw\n");
	PUT(MACHINE_ID, MACHINE "\n");
	assert_string_equal(all_told(), "host.id=" MACHINE ";");
	PUT(MACHINE_ID, "uninitialized\n");
	assert_string_equal(all_told(), "");
	PUT(MACHINE_ID, MACHINE "0\n");
	assert_string_equal(all_told(), "");
	PUT(MACHINE_ID, "");
	assert_string_equal(all_told(), "");
	PUT(MACHINE_ID, MACHINE "\n");
	setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
	assert_string_equal(all_told(), "");
	end();
}

ALONE(a_pod_is_told)
{
	begin();
	setenv("POD_NAME", "bare", 1);
	assert_string_equal(all_told(), ""); /* somebody else's variable: this is no pod */
	setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
	assert_string_equal(all_told(), "k8s.pod.name=bare;");
	setenv("K8S_POD_NAME", "k8s", 1);
	assert_string_equal(all_told(), "k8s.pod.name=k8s;");
	setenv("OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "operator", 1);
	assert_string_equal(all_told(), "k8s.pod.name=operator;");
	setenv("OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "", 1); /* empty is unset */
	setenv("POD_UID", "u", 1);
	setenv("NODE_NAME", "n", 1);
	setenv("CONTAINER_NAME", "c", 1);
	PUT(NAMESPACE, "shop");
	assert_string_equal(all_told(), "k8s.namespace.name=shop;k8s.pod.name=k8s;k8s.pod.uid=u;k8s.node.name=n;k8s.container.name=c;");
	setenv("K8S_NAMESPACE", "given", 1);
	assert_non_null(strstr(all_told(), "k8s.namespace.name=shop;k8s.namespace.name=given;"));
	end();
}

ALONE(files_that_are_no_text_say_nothing)
{
	static char large[300 * 1024];

	begin();
	memset(large, '\n', sizeof large);
	put_file(CGROUP, large, sizeof large);
	put_file(MOUNTS, "a\0b\n", 4);
	put_file(MACHINE_ID, MACHINE "\0x", 34);
	assert_string_equal(all_told(), "");
	assert_int_equal(unlink(paths[CGROUP]), 0);
	assert_int_equal(mkfifo(paths[CGROUP], 0600), 0); /* nobody writes there */
	assert_string_equal(all_told(), "");
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_id_is_found_in_control_groups),
	cmocka_unit_test(an_id_is_found_among_mounts),
	cmocka_unit_test(a_container_is_told),
	cmocka_unit_test(a_machine_is_told),
	cmocka_unit_test(a_pod_is_told),
	cmocka_unit_test(files_that_are_no_text_say_nothing),
};
ALONE_MAIN(tests)
