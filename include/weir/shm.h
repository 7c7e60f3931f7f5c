/* weir: where the cells live: a file that outlives the process, or a map that BPF programs read. Library weir-shm.
 *
 * Without it they are in a memfd, which ends with its process. The layout is the same in all three (weir-segment(5)), and a record
 * costs the same. */
#ifndef WEIR_SHM_H
#define WEIR_SHM_H

#include <weir/base.h>

WEIR_BEGIN_DECLS_

enum weir_shm_home {
	WEIR_SHM_FILE, /* DIR/weir-NAME-PID.segment on a tmpfs: what was counted is read behind kill -9, too */
	WEIR_SHM_MAP,  /* an array for BPF programs (BPF_F_MMAPABLE) */
};

struct weir_shm_options {
	WEIR_SIZE_(weir_shm_options);
	enum weir_shm_home home;
	const char *name;   /* of the service, in the file's name: letters, digits, . _ -; 64 at most. NULL: the program's */
	const char *dir;    /* of the file; NULL: /dev/shm */
	const char *pin;    /* a path on a bpffs, where a map that is made here is pinned; NULL: it is not */
	const char *map;    /* a map that a helper with the privilege has made and pinned here: none is made */
	int map_fd;         /* likewise, as a descriptor, which stays yours; 0: none */
	uint64_t map_bytes; /* of a map that is made: all of it is memory from then on; 0: 4 MiB */
	uint32_t mode;      /* of the file, or what is pinned: 0: 0600; bits of 0666, with 0600 */
	uint32_t group;     /* its group's number; 0: as it comes */
	bool keep;          /* the name stays behind weir_shm_stop and weir_shutdown; files of dead processes of this name stay, too */
};

/* The cells go there, with all that was counted; who records goes on meanwhile, and nothing is lost. A gauge waits for a
 * moment, and threads that may make no system call attach behind this (weir_thread_attach). Before weir_init, or any time later.
 * A file's name is taken away by weir_shm_stop or weir_shutdown; who died has left it: it is removed by the next start under the
 * same name, or by weir gc. A forked child has a memfd of its own; it may call this.
 * Where it fails the cells stay where they are, and weir_status_read's home says why, behind a colon.
 * Threads: any. Signals: no. Blocks: while pages are copied. Allocates: yes. Owns: text is copied; map_fd is yours.
 * Errors: WEIR_EINVAL (options; a folder that is no tmpfs, or that others may write into; a map of another kind or size),
 * WEIR_EIO (the system refuses; the log says what), WEIR_ENOMEM (no room), WEIR_ELIMIT (what is counted does not fit into the map),
 * WEIR_ECONFLICT (started already; another process writes there), WEIR_EUNSUPPORTED (no memfd was to be had before). */
WEIR_API int weir_shm_start(const struct weir_shm_options *options);

/* Takes the name away; the cells stay where they are, and count on.
 * Threads: any. Signals: no. Blocks: no. Allocates: yes. Owns: nothing. Errors: WEIR_OK where there is none. */
WEIR_API int weir_shm_stop(void);

WEIR_END_DECLS_
#endif
