/* L5: container.id, k8s.*, host.id. See container.h. Never more than one file at a time, in a mapping that goes. */
#define _GNU_SOURCE
#include "container.h"

#include "port.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES = 256 * 1024 };
struct weir__container_files weir__container_files = {
	.cgroup = "/proc/self/cgroup",
	.mountinfo = "/proc/self/mountinfo",
	.machine_id = "/etc/machine-id",
	.namespace_name = "/var/run/secrets/kubernetes.io/serviceaccount/namespace",
};

/* How many hexadecimal digits, small letters, stand here. */
static size_t hex_digits(const char *text)
{
	return strspn(text, "0123456789abcdef");
}

static bool take_id(char id[WEIR__CONTAINER_ID + 1], const char *text)
{
	if (hex_digits(text) != WEIR__CONTAINER_ID)
		return false;
	memcpy(id, text, WEIR__CONTAINER_ID);
	id[WEIR__CONTAINER_ID] = '\0';
	return true;
}

/* Lines "7:memory:/docker/ID", "0::/system.slice/docker-ID.scope", "/kubepods/burstable/podUID/cri-containerd-ID.scope": the last
 * part of the path, between what the runtime puts before it and behind. */
bool weir__container_in_cgroup(char id[WEIR__CONTAINER_ID + 1], const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n"), end = len, from;

		if (len > 6 && memcmp(text + len - 6, ".scope", 6) == 0)
			end = len - 6;
		from = end;
		while (from > 0 && strchr("/-:", text[from - 1]) == NULL)
			from--;
		if (end - from == WEIR__CONTAINER_ID && from > 0 && text[from - 1] != ':' && take_id(id, text + from))
			return true;
		text += len + (text[len] == '\n');
	}
	return false;
}

/* Of a mount, the fourth field is what of the file system stands there, the fifth is where. /etc/hostname comes of the runtime's own
 * folder of the container: .../containers/ID/hostname, .../overlay-containers/ID/userdata/hostname. A pod's (".../sandboxes/ID")
 * is another id. */
bool weir__container_in_mounts(char id[WEIR__CONTAINER_ID + 1], const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		char line[1024], *root = line, *target, *end, *at;

		if (len < sizeof line) {
			memcpy(line, text, len);
			line[len] = '\0';
			for (int field = 0; field < 3 && root != NULL; field++)
				root = (root = strchr(root, ' ')) != NULL ? root + 1 : NULL;
			target = root != NULL ? strchr(root, ' ') : NULL;
			end = target != NULL ? strchr(target + 1, ' ') : NULL;
			if (end != NULL) {
				*target++ = *end = '\0';
				if (strcmp(target, "/etc/hostname") != 0)
					root = end;
				for (at = root; (at = strstr(at, "containers/")) != NULL;)
					if (take_id(id, at += strlen("containers/")))
						return true;
			}
		}
		text += len + (text[len] == '\n');
	}
	return false;
}

/* As text, whole or not at all. */
static bool read_file(char *text, size_t size, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t len = 0;
	ssize_t got = -1;

	if (fd < 0)
		return false;
	while (len < size - 1 && (got = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)got;
	close(fd);
	text[len] = '\0';
	return got == 0 && strlen(text) == len;
}

struct teller {
	void (*tell)(void *arg, const char *key, const char *value);
	void *arg;
};

/* text: a key, and the variables of which the first that is set is its value, each with its NUL, and one more behind all. */
static const char *tell_first(const struct teller *t, const char *text)
{
	const char *key = text;
	bool told = false;

	for (text += strlen(text) + 1; *text != '\0'; text += strlen(text) + 1) {
		const char *value = told ? NULL : getenv(text);

		if (value != NULL && *value != '\0') {
			t->tell(t->arg, key, value);
			told = true;
		}
	}
	return text + 1;
}

/* The names under which pods are told by the downward API: the OpenTelemetry operator's, then K8S_ as the Collector's pages have
 * them, then the bare ones of Kubernetes' and Google's pages. */
static void tell_pod(const struct teller *t, char *text)
{
	/* text, as in own.h: pointers would be relocated in each process */
	const char *known = "k8s.namespace.name\0K8S_NAMESPACE_NAME\0K8S_NAMESPACE\0POD_NAMESPACE\0NAMESPACE\0\0"
	                    "k8s.pod.name\0OTEL_RESOURCE_ATTRIBUTES_POD_NAME\0K8S_POD_NAME\0POD_NAME\0\0"
	                    "k8s.pod.uid\0OTEL_RESOURCE_ATTRIBUTES_POD_UID\0K8S_POD_UID\0POD_UID\0\0"
	                    "k8s.node.name\0OTEL_RESOURCE_ATTRIBUTES_NODE_NAME\0K8S_NODE_NAME\0NODE_NAME\0\0"
	                    "k8s.container.name\0K8S_CONTAINER_NAME\0CONTAINER_NAME\0\0";

	if (read_file(text, FILE_BYTES, weir__container_files.namespace_name)) {
		text[strcspn(text, "\n")] = '\0';
		if (*text != '\0' && strlen(text) < 64)
			t->tell(t->arg, "k8s.namespace.name", text);
	}
	while (*known != '\0')
		known = tell_first(t, known);
}

void weir__container_tell(void (*tell)(void *arg, const char *key, const char *value), void *arg)
{
	const struct teller t = {tell, arg};
	char id[WEIR__CONTAINER_ID + 1], *text = weir__map(FILE_BYTES, true, false);
	const char *service = getenv("KUBERNETES_SERVICE_HOST"); /* the kubelet gives it to each container */

	if (text == NULL)
		return;
	if ((read_file(text, FILE_BYTES, weir__container_files.cgroup) && weir__container_in_cgroup(id, text)) ||
	    (read_file(text, FILE_BYTES, weir__container_files.mountinfo) && weir__container_in_mounts(id, text))) {
		tell(arg, "container.id", id);
	} else if ((service == NULL || *service == '\0') && read_file(text, FILE_BYTES, weir__container_files.machine_id)) {
		/* the image's own, in a container: there it says nothing */
		text[strcspn(text, "\n")] = '\0';
		if (hex_digits(text) == 32 && text[32] == '\0')
			tell(arg, "host.id", text);
	}
	if (service != NULL && *service != '\0')
		tell_pod(&t, text);
	weir__unmap(text, FILE_BYTES);
}
