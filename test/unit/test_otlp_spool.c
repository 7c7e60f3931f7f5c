/* The spool's directory: what is stored comes back, what others left is taken over, what is none is set aside. */
#define _GNU_SOURCE
#include "spool.h"

#include "record.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "alone.h"

static char root[64];

static void make_root(void)
{
	strcpy(root, "/tmp/weir-otlp-spool-XXXXXX");
	assert_non_null(mkdtemp(root));
}

static void remove_root(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", root);
	assert_int_equal(system(command), 0);
}

static unsigned entries(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

static void open_spool(struct weir__otlp_spool *s)
{
	char why[WEIR__OTLP_SPOOL_WHY] = "";

	if (weir__otlp_spool_open(s, root, why) != WEIR_OK)
		fail_msg("%s", why);
}

static struct weir__otlp_request *stored(struct weir__otlp_spool *s, const char *text, uint64_t made)
{
	struct weir__otlp_request *r = weir__otlp_request_new(WEIR__OTLP_METRICS, (uint8_t *)strdup(text), strlen(text), 3);
	uint64_t size = 0;

	assert_non_null(r);
	r->made_wall_ns = made;
	assert_int_equal(weir__otlp_spool_store(s, r, &size), 0);
	assert_int_equal(size, 4096);
	return r;
}

static void check_text_of(struct weir__otlp_spool *s, struct weir__otlp_request *r, const char *text)
{
	bool no_memory;
	size_t len;
	uint8_t *bytes = weir__otlp_spool_load(s, r, &len, &no_memory);

	assert_non_null(bytes);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(bytes, text, len);
	assert_int_equal(r->items, 3);
	free(bytes);
}

ALONE(a_round_trip)
{
	struct weir__otlp_spool s;
	struct weir__otlp_request *r;

	make_root();
	open_spool(&s);
	r = stored(&s, "text", 5);
	r->items = 0;
	assert_int_equal(weir__otlp_spool_items(&s, r->file), 3);
	check_text_of(&s, r, "text");
	weir__otlp_spool_delete(&s, r->file);
	assert_int_equal(weir__otlp_spool_items(&s, r->file), 0);
	weir__otlp_request_free(r);
	weir__otlp_spool_close(&s);
	assert_int_equal(entries(root), 0); /* nothing waits, nothing stays */
	remove_root();
}

ALONE(what_dead_processes_left)
{
	struct weir__otlp_spool dead[2], alive, s;
	struct weir__otlp_request *r[4], *found, *next;
	const char *const wanted[] = {"one", "two", "three"};
	unsigned count = 0;

	make_root();
	open_spool(&dead[0]);
	open_spool(&dead[1]);
	open_spool(&alive);
	r[0] = stored(&dead[0], "three", 3000);
	r[1] = stored(&dead[1], "two", 2000);
	r[2] = stored(&dead[0], "one", 1000);
	r[3] = stored(&alive, "not yours", 500);
	weir__otlp_spool_close(&dead[0]); /* its lock is free, its files are there: as after a kill */
	weir__otlp_spool_close(&dead[1]);
	open_spool(&s);
	found = weir__otlp_spool_found(&s);
	for (; found != NULL; found = next) {
		next = found->next;
		assert_true(count < 3 && found->prepared && found->signal == WEIR__OTLP_METRICS && found->stored_bytes == 4096);
		check_text_of(&s, found, wanted[count++]);
		weir__otlp_spool_delete(&s, found->file);
		weir__otlp_request_free(found);
	}
	assert_int_equal(count, 3);
	assert_int_equal(entries(root), 2); /* alive's and ours */
	check_text_of(&alive, r[3], "not yours");
	weir__otlp_spool_close(&s);
	weir__otlp_spool_close(&alive);
	for (int i = 0; i < 4; i++)
		weir__otlp_request_free(r[i]);
	remove_root();
}

ALONE(names_that_meet)
{
	struct weir__otlp_spool one, two, s;
	struct weir__otlp_request *r[2], *found, *next;
	unsigned count = 0;

	make_root();
	open_spool(&one);
	open_spool(&two);
	r[0] = stored(&one, "a", 7);
	r[1] = stored(&two, "b", 7);
	assert_string_equal(r[0]->file, r[1]->file);
	weir__otlp_spool_close(&one);
	weir__otlp_spool_close(&two);
	open_spool(&s);
	for (found = weir__otlp_spool_found(&s); found != NULL; found = next, count++) {
		bool no_memory;
		size_t len;
		uint8_t *bytes = weir__otlp_spool_load(&s, found, &len, &no_memory);

		next = found->next;
		assert_non_null(bytes);
		free(bytes);
		weir__otlp_request_free(found);
	}
	assert_int_equal(count, 2);
	weir__otlp_spool_close(&s);
	weir__otlp_request_free(r[0]);
	weir__otlp_request_free(r[1]);
	remove_root();
}

ALONE(what_is_no_request)
{
	struct weir__otlp_spool s;
	struct weir__otlp_request *r;
	bool no_memory;
	size_t len;

	make_root();
	open_spool(&s);
	for (int i = 0; i < 20; i++) { /* more than are kept */
		int fd;

		r = stored(&s, "text", (uint64_t)i);
		fd = openat(s.folder, r->file, O_WRONLY);
		assert_true(fd >= 0 && pwrite(fd, "X", 1, 53) == 1);
		close(fd);
		assert_null(weir__otlp_spool_load(&s, r, &len, &no_memory));
		assert_false(no_memory);
		assert_true(faccessat(s.folder, r->file, F_OK, 0) != 0);
		weir__otlp_request_free(r);
	}
	assert_int_equal(s.set_aside, 20);
	assert_int_equal(entries(root), 17); /* 16, and the folder */
	weir__otlp_spool_close(&s);
	remove_root();
}

ALONE(directories_that_cannot_be_used)
{
	char why[WEIR__OTLP_SPOOL_WHY] = "", path[128];
	struct weir__otlp_spool s;

	make_root();
	snprintf(path, sizeof path, "%s/a/b", root);
	assert_int_equal(weir__otlp_spool_open(&s, path, why), WEIR_EIO);
	assert_true(why[0] != '\0' && s.root == -1 && s.folder == -1 && s.lock == -1);
	assert_int_equal(weir__otlp_spool_open(&s, "/dev/null", why), WEIR_EIO);
	assert_int_equal(weir__otlp_spool_open(&s, "", why), WEIR_EIO);
	snprintf(path, sizeof path, "%s/new", root); /* it is made */
	assert_int_equal(weir__otlp_spool_open(&s, path, why), WEIR_OK);
	weir__otlp_spool_close(&s);
	remove_root();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_round_trip),
	cmocka_unit_test(what_dead_processes_left),
	cmocka_unit_test(names_that_meet),
	cmocka_unit_test(what_is_no_request),
	cmocka_unit_test(directories_that_cannot_be_used),
};
ALONE_MAIN(tests)
