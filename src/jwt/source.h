/* weir-jwt: where a verifier's keys come from, and when they are had again. Layer: jwt.
 *
 * A file is looked at each second, and read when it is another one: replaced (by renaming), or written. A fetch has a thread of its
 * own for as long as it takes, one a verifier at most: it holds up nobody else. It comes again when the answer's lifetime is over
 * (30 s to a day), after a failure in 1 s, 2 s, ... 5 minutes, and where a token names a key that is not known: then once in 30 s at
 * most, however many such tokens come. Whatever goes wrong, the last good set stays. Writers: the thread weir-jwt, the fetch's
 * thread, and refresh, under the lock of life.h where a field says so. */
#ifndef WEIR_JWT_SOURCE_H
#define WEIR_JWT_SOURCE_H

#include "rotation.h"

#include <weir/jwt.h>

#include <sys/stat.h>

struct weir_private_thread;

struct weir__jwt_pace { /* tests set it, before there is a verifier */
	uint64_t tick_ns;          /* between two looks at a file: 1 s */
	uint64_t unknown_ns;       /* between two fetches for keys that are not known: 30 s */
	uint64_t life_least_ns, life_most_ns; /* of a fetched set, whatever the answer says: 30 s, 1 day */
	uint64_t retry_first_ns, retry_most_ns; /* 1 s, 5 minutes */
	uint64_t timeout_ns;       /* of a fetch: 10 s */
	uint64_t leave_ns;         /* how long destroy and shutdown wait: 100 ms */
};
extern struct weir__jwt_pace weir__jwt_pace;

struct weir__jwt_source {
	/* Nothing changes these after new; path and url NULL: keys that were given. */
	char *path, *url;
	weir_fetch_fn *fetch;
	void *fetch_arg;
	uint64_t refresh_ns, grace_ns;
	unsigned number; /* of the verifier, for the log and the metrics */
	/* The thread weir-jwt's, and new's before it: */
	struct stat seen; /* the file's state that was read; st_ino 0: none */
	bool settled;     /* it cannot have been written since without another time */
	/* Under the lock: */
	uint64_t asked, done;    /* by refresh: its number, and up to which they are answered */
	bool good;               /* how the last one went */
	uint64_t fresh_ns;       /* when the set was the source's the last time; 0: never */
	uint64_t due_ns, began_ns;
	uint32_t failures;       /* in a row */
	bool running;            /* a fetch is on its way; etag is its thread's then */
	char etag[128];
	struct weir_private_thread *thread; /* of the last fetch; to be joined */
	/* 1: a token's key was not known. Writers: any thread; the thread weir-jwt clears it; relaxed */
	uint32_t unknown;
};

struct weir_jwt_verifier;

/* What reading or fetching gave, published: see rotation.h. json stays the caller's. Takes the lock. */
enum weir__jwt_published weir__jwt_source_publish(struct weir_jwt_verifier *verifier, struct weir_str json, const char *whence);
/* A file is read where it changed, or force says so. Takes the lock where it publishes. */
void weir__jwt_source_file(struct weir_jwt_verifier *verifier, bool force);
/* With the lock: begins a fetch where it is time to. */
void weir__jwt_source_fetch(struct weir_jwt_verifier *verifier, uint64_t now_ns);
/* From a request: a key is not known. */
void weir__jwt_source_unknown(struct weir__jwt_source *source);
/* With the lock: when the next fetch is due. */
uint64_t weir__jwt_source_next(const struct weir__jwt_source *source);
void weir__jwt_source_free(struct weir__jwt_source *source);
/* In a forked child: nothing is on its way; all is looked at again. */
void weir__jwt_source_child(struct weir__jwt_source *source);

#endif
