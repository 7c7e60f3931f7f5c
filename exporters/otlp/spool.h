/* weir-otlp: the spool: a directory in which requests wait for the server, over outages and over the process' death.
 *
 * Layer: exporter, I/O. Each process has a folder of its own in it, held by a lock on a file; what dead processes left is
 * taken over at start. A file appears whole (by renaming), and goes when its request is delivered or dropped. What is no
 * request is renamed to NAME.bad beside the folders. It survives the process, not the machine: nothing waits for the disk.
 * Invariant: descriptors are those of the one thread that calls, in its own table. Writer: that thread. */
#ifndef WEIR_OTLP_SPOOL_H
#define WEIR_OTLP_SPOOL_H

#include "queue.h"

enum { WEIR__OTLP_SPOOL_WHY = 160 };

struct weir__otlp_spool {
	int root, folder, lock; /* descriptors */
	char name[64];          /* of the folder */
	uint32_t number;        /* of the last file */
	uint64_t set_aside;     /* how many became .bad, or were deleted as such */
};

/* WEIR_OK, or WEIR_EIO and why. */
int weir__otlp_spool_open(struct weir__otlp_spool *spool, const char *path, char why[WEIR__OTLP_SPOOL_WHY]);
/* What is in the folder and in dead processes' folders, oldest first, as requests without bytes, in a list by next. */
struct weir__otlp_request *weir__otlp_spool_found(struct weir__otlp_spool *spool);
/* 0, or errno: the request's file and its name; bytes stay. size: what it takes. */
int weir__otlp_spool_store(struct weir__otlp_spool *spool, struct weir__otlp_request *request, uint64_t *size);
/* The request's bytes, from its file; malloc's. NULL: not now (no_memory), or there are none any more: what was no request
 * is set aside. */
uint8_t *weir__otlp_spool_load(struct weir__otlp_spool *spool, struct weir__otlp_request *request, size_t *len, bool *no_memory);
/* How many items its head says; 0: it cannot be read. */
uint64_t weir__otlp_spool_items(const struct weir__otlp_spool *spool, const char *file);
void weir__otlp_spool_delete(struct weir__otlp_spool *spool, const char *file);
/* What waits stays for the next. */
void weir__otlp_spool_close(struct weir__otlp_spool *spool);

#endif
