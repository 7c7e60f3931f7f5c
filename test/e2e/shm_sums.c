/* Loads shm_sums.bpf.o onto a map that is pinned, has it read a series, and prints what it found:
 *   shm_sums OBJECT PIN CELL CELLS          calls, missed, the totals' time; then a line a cell: the total, and the sum over the shards
 *   shm_sums OBJECT PIN CELL BLOCK_AT RUNS  the nanoseconds of one sum by the reader's functions, and by an offset that is known */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CELLS_MOST = 16 };

/* As shm_sums.bpf.c has them, in this order, in one section. */
struct found {
	uint64_t calls, missed, time_ns, total[CELLS_MOST], live[CELLS_MOST];
};
struct question {
	uint32_t asker, cell, cells, block_at;
};

static int fail(const char *what)
{
	fprintf(stderr, "%s failed\n", what);
	return 1;
}

static void *section(struct bpf_object *object, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);
	void *memory = map != NULL ? mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0) : MAP_FAILED;

	return memory != MAP_FAILED ? memory : NULL;
}

static double price_of(struct bpf_object *object, const char *name, uint32_t runs)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	char packet[64] = "";
	struct bpf_test_run_opts o = {.sz = sizeof o, .data_in = packet, .data_size_in = sizeof packet, .repeat = (int)runs};
	double least = 1e9;

	for (int tries = 0; tries < 5; tries++) {
		if (program == NULL || bpf_prog_test_run_opts(bpf_program__fd(program), &o) != 0 || o.retval != 1)
			return -1;
		if (o.duration < least)
			least = o.duration;
	}
	return least;
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_link *link;
	struct bpf_map *map;
	struct question *question;
	struct found *found;
	int fd;

	if (argc < 5)
		return 2;
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	fd = bpf_obj_get(argv[2]);
	object = bpf_object__open_file(argv[1], NULL);
	map = object != NULL ? bpf_object__find_map_by_name(object, "weir") : NULL;
	if (fd < 0 || map == NULL || bpf_map__reuse_fd(map, fd) != 0 || bpf_object__load(object) != 0)
		return fail("load");
	question = section(object, ".data.question");
	found = section(object, ".data.found");
	if (question == NULL || found == NULL)
		return fail("mmap");
	*question = (struct question){(uint32_t)getpid(), (uint32_t)atoi(argv[3]), (uint32_t)atoi(argv[4]), (uint32_t)atoi(argv[4])};
	if (argc == 6) {
		uint32_t runs = (uint32_t)atoi(argv[5]);

		printf("%.1f %.1f\n", price_of(object, "one_total", runs), price_of(object, "one_offset", runs));
		return 0;
	}
	program = bpf_object__find_program_by_name(object, "on_getpgid");
	link = program != NULL ? bpf_program__attach(program) : NULL;
	if (link == NULL)
		return fail("attach");
	syscall(SYS_getpgid, 0);
	bpf_link__destroy(link);
	printf("%llu %llu %llu\n", (unsigned long long)found->calls, (unsigned long long)found->missed, (unsigned long long)found->time_ns);
	for (uint32_t i = 0; i < question->cells && i < CELLS_MOST; i++)
		printf("%llu %llu\n", (unsigned long long)found->total[i], (unsigned long long)found->live[i]);
	bpf_object__close(object);
	return 0;
}
