/* weir-shm: a place for the segment: made, then filled (weir_private_segment_move), then named. Each step says why it failed.
 * No data of its own. */
#ifndef WEIR_SHM_PLACE_H
#define WEIR_SHM_PLACE_H

#include <weir/shm.h>

#include <limits.h>
#include <sys/types.h>

struct weir__place {
	int fd;      /* -1: none yet */
	int dir;     /* of a file; -1: none */
	bool whole;  /* a map */
	bool theirs; /* a map of somebody else's, whose name is not ours to take away */
	uint64_t bytes;
	char path[PATH_MAX]; /* of its name; "": it has none */
	dev_t device;        /* of its name */
	ino_t inode;
	char why[200];       /* where a step failed */
};

/* WEIR_OK, or an error with why. bytes: of the segment as it is. */
int weir__file_make(struct weir__place *place, const struct weir_shm_options *options, uint64_t bytes);
int weir__file_name(struct weir__place *place, const struct weir_shm_options *options);
int weir__map_make(struct weir__place *place, const struct weir_shm_options *options);
int weir__map_name(struct weir__place *place, const struct weir_shm_options *options);

int weir__place_refuse(struct weir__place *place, int error, const char *what, int system_error); /* error; 0: no system's error */
int weir__place_above(int fd);         /* as a number above those of standard input, output and error */
void weir__place_seen(struct weir__place *place, int dir, const char *name); /* what its name leads to */
bool weir__place_unname(const struct weir__place *place); /* where the name still leads to it. false: it does not */

#endif
