/* L5: where the process runs: container.id, k8s.*, host.id, as far as the system says so: what is not known is not told. A key may
 * be told twice, and the later one wins; texts are valid during the call. Reads files of /proc and /etc and the environment; keeps
 * nothing. */
#ifndef WEIR_CONTAINER_H
#define WEIR_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>

void weir__container_tell(void (*tell)(void *arg, const char *key, const char *value), void *arg);

/* Pure: the id in the text of /proc/self/cgroup (version 1), and in that of /proc/self/mountinfo (version 2). */
enum { WEIR__CONTAINER_ID = 64 };
bool weir__container_in_cgroup(char id[WEIR__CONTAINER_ID + 1], const char *text);
bool weir__container_in_mounts(char id[WEIR__CONTAINER_ID + 1], const char *text);

/* Where the files are: tests have their own. */
struct weir__container_files {
	const char *cgroup, *mountinfo, *machine_id, *namespace_name;
};
extern struct weir__container_files weir__container_files;

#endif
