/* weir, the command: modules of a process. See modules.h. No data of its own. */
#define _GNU_SOURCE
#include "modules.h"

#include "elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static bool add(struct modules *modules, const struct module *found)
{
	struct module *larger;

	for (size_t n = 0; n < modules->count; n++)
		if (modules->list[n].inode == found->inode && modules->list[n].device == found->device)
			return true; /* maps are in order: its lowest one is there */
	if ((modules->count & (modules->count + 1)) == 0) { /* 0, 1, 3, 7: doubles */
		larger = realloc(modules->list, (modules->count * 2 + 1) * sizeof *larger);
		if (larger == NULL)
			return false;
		modules->list = larger;
	}
	modules->list[modules->count++] = *found;
	return true;
}

int modules_read(struct modules *modules, int pid)
{
	char path[64], program[sizeof modules->list->path] = "", *line = NULL;
	size_t room = 0;
	int error = 0;
	FILE *maps;

	*modules = (struct modules){NULL, 0};
	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	if (readlink(path, program, sizeof program - 1) < 0)
		program[0] = '\0';
	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (maps == NULL)
		return errno;
	errno = 0;
	while (error == 0 && getline(&line, &room, maps) > 0) {
		struct module m = {0};
		unsigned int major, minor;
		int name = 0;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %x:%x %" SCNu64 " %n", &m.start, &m.end, &m.offset, &major, &minor,
		           &m.inode, &name) < 6 || m.inode == 0 || name == 0 || line[name] != '/')
			continue;
		m.device = makedev(major, minor);
		line[strcspn(line, "\n")] = '\0';
		snprintf(m.path, sizeof m.path, "%s", line + name);
		m.is_program = strcmp(m.path, program) == 0;
		if (!add(modules, &m))
			error = ENOMEM;
	}
	if (error == 0 && ferror(maps))
		error = errno != 0 ? errno : EIO;
	free(line);
	fclose(maps);
	for (size_t n = 1; n < modules->count; n++)
		if (modules->list[n].is_program) {
			struct module first = modules->list[0];

			modules->list[0] = modules->list[n];
			modules->list[n] = first;
		}
	if (error != 0)
		modules_free(modules);
	return error;
}

void modules_free(struct modules *modules)
{
	free(modules->list);
	*modules = (struct modules){NULL, 0};
}

int module_open(const struct module *m, int pid)
{
	char path[640];
	struct stat is;

	for (int way = 0; way < 3; way++) {
		int fd;

		if (way == 0) /* needs a privilege, and finds what was deleted */
			snprintf(path, sizeof path, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, m->start, m->end);
		else if (way == 1)
			snprintf(path, sizeof path, "/proc/%d/root%s", pid, m->path);
		else if (m->is_program)
			snprintf(path, sizeof path, "/proc/%d/exe", pid);
		else
			break;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd >= 0 && fstat(fd, &is) == 0 && S_ISREG(is.st_mode) && is.st_ino == m->inode)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

bool module_bias(const struct module *m, const struct elf *elf, uint64_t *bias)
{
	const uint64_t page = 4095;
	struct elf_segment segment;

	for (uint32_t n = 0; n < elf->segments && elf_segment_at(elf, n, &segment); n++) {
		uint64_t begin = segment.offset & ~page;

		if (segment.type != PT_LOAD || m->offset < begin || m->offset - begin >= segment.file_bytes + (segment.offset - begin))
			continue;
		*bias = m->start - (segment.address - (segment.offset - begin) + (m->offset - begin));
		return true;
	}
	return false;
}
