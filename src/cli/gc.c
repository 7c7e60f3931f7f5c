/* weir gc: files of dead writers. No data of its own.
 *
 * Invariant: what is removed is certainly a segment, certainly the caller's, and certainly nobody's any more: by its name, by what
 * its header says, by its writer's being gone, and by nobody's having it open (a write lease is granted), which also holds for
 * writers in other namespaces of processes. All else is kept, and the reason said. */
#define _GNU_SOURCE
#include "gc.h"

#include "command.h"
#include "process.h"
#include "segment_copy.h"
#include "segment_source.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char who[] = "weir gc";
static const char help[] =
	"usage: weir gc [--dry-run] [DIR]\n"
	"Removes the files weir-*.segment of a folder (/dev/shm where none is given) whose writers are dead; in a\n"
	"folder of a bpffs, the maps that are pinned there. What is not certainly a segment, of the caller, of a dead\n"
	"writer and, of files, open nowhere is kept, and it is said why.\n"
	"  --dry-run   removes nothing\n"
	"  --help      this text\n";

static bool is_named_so(const char *name)
{
	size_t len = strlen(name), ending = strlen(".segment");

	return strncmp(name, "weir-", 5) == 0 && len > 5 + ending && strcmp(name + len - ending, ".segment") == 0;
}

/* Why the file of this descriptor is to be kept; NULL: it may go. */
static const char *reason_to_keep(int fd, const struct stat *is)
{
	struct segment_copy copy;
	struct process process;
	enum owner owner;

	if (!S_ISREG(is->st_mode))
		return "it is no file";
	if (is->st_uid != geteuid())
		return "it is another user's";
	if (is->st_nlink != 1)
		return "it has other names";
	if (!segment_copy_make(&copy, fd, SEGMENT_HEADER))
		return copy.why;
	owner = owner_of(segment_copy_header(&copy), &process);
	segment_copy_free(&copy);
	if (owner != OWNER_DEAD)
		return owner == OWNER_ALIVE ? "its writer lives" : "its writer may live";
	if (fcntl(fd, F_SETLEASE, F_WRLCK) != 0) /* granted to the only one who has it open */
		return errno == EAGAIN ? "somebody has it open" : "it cannot be told whether somebody has it open";
	return NULL;
}

/* What is pinned is a name alone: whoever has the map open keeps it. NULL: it goes; "": it is no segment. */
static const char *look_at_pin(const char *folder, const char *name, bool dry)
{
	struct segment_copy copy;
	struct process process;
	char path[PATH_MAX];
	enum owner owner;
	struct stat is;
	bool made;
	int fd;

	if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path || lstat(path, &is) != 0 || !S_ISREG(is.st_mode))
		return "";
	fd = segment_open_path(path);
	made = fd >= 0 && segment_copy_make(&copy, fd, SEGMENT_HEADER);
	if (fd >= 0)
		close(fd);
	if (!made)
		return "";
	owner = owner_of(segment_copy_header(&copy), &process);
	segment_copy_free(&copy);
	if (is.st_uid != geteuid())
		return "it is another user's";
	if (owner != OWNER_DEAD)
		return owner == OWNER_ALIVE ? "its writer lives" : "its writer may live";
	return dry || unlink(path) == 0 ? NULL : strerror(errno);
}

static const char *look(int dir, const char *name, bool dry)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat is, now;
	const char *why = NULL;

	if (fd < 0)
		return errno == ELOOP ? "it is a symbolic link" : strerror(errno);
	if (fstat(fd, &is) != 0)
		why = strerror(errno);
	if (why == NULL)
		why = reason_to_keep(fd, &is);
	if (why == NULL && (fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW) != 0 || now.st_ino != is.st_ino || now.st_dev != is.st_dev))
		why = "another file has taken its place";
	if (why == NULL && !dry && unlinkat(dir, name, 0) != 0)
		why = strerror(errno);
	close(fd);
	return why;
}

int gc_run(int argc, char **argv)
{
	const char *folder = NULL;
	struct dirent *entry;
	bool dry = false, pins;
	DIR *dir;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(help, stdout);
			return command_end(who);
		}
		if (strcmp(argv[i], "--dry-run") == 0)
			dry = true;
		else if (argv[i][0] == '-')
			return complain(EXIT_USAGE, who, "there is no such flag; see %s --help", who);
		else if (folder != NULL)
			return complain(EXIT_USAGE, who, "one folder at a time");
		else
			folder = argv[i];
	}
	if (folder == NULL)
		folder = "/dev/shm";
	dir = opendir(folder);
	if (dir == NULL)
		return complain(errno == EACCES ? EXIT_USAGE : EXIT_REFUSED, who, "%s: %s", folder, strerror(errno));
	pins = segment_is_bpffs(folder);
	while ((entry = readdir(dir)) != NULL) {
		const char *why;

		if (!pins && !is_named_so(entry->d_name))
			continue;
		why = pins ? look_at_pin(folder, entry->d_name, dry) : look(dirfd(dir), entry->d_name, dry);
		if (why != NULL && why[0] == '\0')
			continue;
		fputs(why != NULL ? "kept " : dry ? "dead " : "removed ", stdout);
		text_plain(stdout, entry->d_name, strlen(entry->d_name));
		if (why != NULL)
			printf(": %s", why);
		putchar('\n');
	}
	closedir(dir);
	return command_end(who);
}
