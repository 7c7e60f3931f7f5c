/* weir, the command: spans watched by BPF. See spans_watch.h. The program is attached to each file of the process that has weir's
 * probes: libweir.so, or the program or plugin with the archive inside. No data of its own. */
#define _GNU_SOURCE
#include "spans_watch.h"

#include "command.h"
#include "elf_file.h"
#include "elf_probes.h"
#include "flags.h"
#include "modules.h"

#include <spans_event.skel.h>

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINKS = 16 };

struct spans_watch {
	struct spans_event_bpf *program;
	struct ring_buffer *ring;
	struct bpf_link *links[LINKS];
	size_t count;
	spans_fn *take;
	void *arg;
};

static int take(void *arg, void *bytes, size_t size)
{
	const struct spans_watch *watch = arg;

	if (size >= sizeof(struct spans_event))
		watch->take(watch->arg, bytes);
	return 0;
}

static bool read_elf(void *arg, uint64_t at, void *to, size_t len)
{
	return elf_read(arg, at, to, len);
}

/* Whether it has the two: one without the other is no weir that this is made for. */
static bool has_probes(int fd)
{
	struct elf_probes probes;
	unsigned found = 0;
	const char *why;
	struct elf elf;

	if (!elf_open(&elf, fd, &why))
		return false;
	if (elf_probes_read(&probes, read_elf, &elf))
		for (size_t n = 0; n < probes.count; n++)
			if (strcmp(probes.list[n].provider, "weir") == 0)
				found |= strcmp(probes.list[n].name, "span_end") == 0 ? 1 : strcmp(probes.list[n].name, "request_end") == 0 ? 2 : 0;
	elf_probes_free(&probes);
	return found == 3;
}

/* Why the kernel does not let it: what lacks is told, where that is to be seen. */
static int refused(const char *who, int error)
{
	if (error == EPERM || error == EACCES)
		return complain(EXIT_USAGE, who, "a privilege is missing: the kernel lets root alone (or CAP_BPF with CAP_PERFMON) watch probes");
	if (error == ENOSYS)
		return complain(EXIT_USAGE, who, "the kernel has no BPF");
	if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		return complain(EXIT_USAGE, who, "the kernel has no BTF: /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF)");
	if (access("/sys/bus/event_source/devices/uprobe", F_OK) != 0 && access("/sys/kernel/tracing/uprobe_events", F_OK) != 0)
		return complain(EXIT_USAGE, who, "the kernel has no uprobes, or tracefs is missing: mount -t tracefs tracefs /sys/kernel/tracing");
	return complain(EXIT_REFUSED, who, "the kernel does not let it be watched: %s", strerror(error));
}

static int load(struct spans_watch *watch, const char *who, const struct spans_filter *filter)
{
	int error;

	watch->program = spans_event_bpf__open();
	if (watch->program == NULL)
		return refused(who, errno);
	watch->program->rodata->slow_ns = filter->slow_ns;
	watch->program->rodata->failed_only = filter->failed;
	error = spans_event_bpf__load(watch->program);
	if (error != 0)
		return refused(who, -error);
	watch->ring = ring_buffer__new(bpf_map__fd(watch->program->maps.ended), take, watch, NULL);
	return watch->ring != NULL ? FLAGS_RUN : refused(who, errno);
}

static int attach_file(struct spans_watch *watch, int fd, int pid)
{
	struct bpf_program *programs[] = {watch->program->progs.span_end, watch->program->progs.request_end};
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd); /* the very file: also in a container, and deleted */
	for (size_t n = 0; n < 2; n++) {
		struct bpf_link *link;

		if (watch->count == LINKS)
			return E2BIG;
		link = bpf_program__attach_usdt(programs[n], pid, path, "weir", bpf_program__name(programs[n]), NULL);
		if (link == NULL)
			return errno;
		watch->links[watch->count++] = link;
	}
	return 0;
}

static int attach(struct spans_watch *watch, const char *who, int pid)
{
	struct modules modules;
	int error = modules_read(&modules, pid);

	if (error == EACCES || error == EPERM)
		return complain(EXIT_USAGE, who, "the process may not be looked into: it is another user's, or protected");
	if (error != 0)
		return complain(EXIT_REFUSED, who, "the process has just ended");
	for (size_t n = 0; n < modules.count && error == 0; n++) {
		int fd = module_open(&modules.list[n], pid);

		if (fd >= 0 && has_probes(fd))
			error = attach_file(watch, fd, pid);
		if (fd >= 0)
			close(fd);
	}
	modules_free(&modules);
	if (error == ESRCH)
		return complain(EXIT_REFUSED, who, "the process has just ended");
	if (error != 0)
		return refused(who, error);
	return watch->count != 0 ? FLAGS_RUN : complain(EXIT_REFUSED, who, "the process has no probes of weir, or its files are gone");
}

int spans_watch_open(struct spans_watch **opened, const char *who, int pid, const struct spans_filter *filter, spans_fn *fn, void *arg)
{
	struct spans_watch *watch = *opened = calloc(1, sizeof *watch);
	int code;

	if (watch == NULL)
		return complain(EXIT_REFUSED, who, "no memory");
	watch->take = fn;
	watch->arg = arg;
	libbpf_set_print(NULL);
	code = load(watch, who, filter);
	return code == FLAGS_RUN ? attach(watch, who, pid) : code;
}

void spans_watch_poll(struct spans_watch *watch, int ms)
{
	ring_buffer__poll(watch->ring, ms);
}

void spans_watch_stop(struct spans_watch *watch)
{
	for (; watch->count != 0; watch->count--)
		bpf_link__destroy(watch->links[watch->count - 1]);
	ring_buffer__consume(watch->ring);
}

uint64_t spans_watch_lost(const struct spans_watch *watch)
{
	/* Relaxed: the kernel adds to it, and nothing else hangs on it. */
	return __atomic_load_n(&watch->program->bss->lost, __ATOMIC_RELAXED);
}

void spans_watch_close(struct spans_watch *watch)
{
	if (watch == NULL)
		return;
	for (; watch->count != 0; watch->count--)
		bpf_link__destroy(watch->links[watch->count - 1]);
	ring_buffer__free(watch->ring);
	spans_event_bpf__destroy(watch->program);
	free(watch);
}
