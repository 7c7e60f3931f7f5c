/* weir-shm: start and stop of the one place that a process has. See weir/shm.h. Layer: exporter.
 *
 * Invariant: the state is one word, and carries the generation of the process that wrote it: a forked child finds its parent's
 * place to be none of its own, and takes no name away. Writers: start and stop, by compare-and-swap. */
#define _GNU_SOURCE
#include "both.h"
#include "owner.h"
#include "place.h"

#include <weir/abi/private.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum state { NONE, CHANGING, RUNNING };

/* What weir_status_read may still show: never freed. */
struct told {
	struct told *former;
	char text[];
};

static struct {
	uint64_t state; /* generation << 8 | enum state: acquire and release */
	/* by who is CHANGING: */
	struct weir__place place;
	bool keep;
	struct told *told;
} shm;

static uint64_t word(enum state state)
{
	return (uint64_t)weir_private_generation() << 8 | state;
}

/* From this state to CHANGING; false: it is another. */
static bool change_from(enum state from)
{
	uint64_t seen = __atomic_load_n(&shm.state, __ATOMIC_ACQUIRE);
	enum state now = seen >> 8 == weir_private_generation() ? (enum state)(seen & 0xff) : NONE;

	return now == from && __atomic_compare_exchange_n(&shm.state, &seen, word(CHANGING), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void set(enum state to)
{
	__atomic_store_n(&shm.state, word(to), __ATOMIC_RELEASE);
}

/* As far as the caller's version goes; what is past ours must be zero. */
static bool take_options(struct weir_shm_options *out, const struct weir_shm_options *given)
{
	memset(out, 0, sizeof *out);
	if (given == NULL)
		return true;
	if (given->size < sizeof given->size)
		return false;
	for (size_t i = sizeof *out; i < given->size; i++)
		if (((const char *)given)[i] != 0)
			return false;
	memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
	return out->home <= WEIR_SHM_MAP && (out->mode & ~0666u) == 0 && (out->mode == 0 || (out->mode & 0600) == 0600);
}

/* The home as it will be told: what it is, a colon, and the rest; "": no memory, and then nothing is told. */
static const char *say(const char *what, size_t len, const char *rest)
{
	struct told *told = malloc(sizeof *told + len + strlen(rest) + 3);

	if (told == NULL)
		return "";
	sprintf(told->text, "%.*s: %s", (int)len, what, rest);
	told->former = shm.told;
	shm.told = told;
	return told->text;
}

/* How large the segment is; 0: there is no memory. home: what is told of it; NULL: as it is. */
static uint64_t look(const char *home)
{
	struct weir_private_home h = {.fd = -1, .home = home};

	return weir_private_segment_move(&h) == WEIR_OK ? h.bytes : 0;
}

/* The home stays what it is, and says why. */
static void tell(const char *why)
{
	struct weir_status status = {.size = sizeof status};
	const char *text;

	if (weir_status_read(&status) != WEIR_OK)
		return;
	text = say(status.home, strcspn(status.home, ":"), why);
	if (text[0] != '\0')
		look(text);
}

static int fill(struct weir__place *place)
{
	struct weir_private_home home = {.fd = place->fd, .whole = place->whole, .bytes = place->bytes, .both = weir__both};
	int error;

	home.home = place->whole ? "map: not pinned" : "file: without a name";
	weir__owner_self(&home.start_time, home.boot_id);
	error = weir_private_segment_move(&home);
	if (error == WEIR_OK)
		return error;
	return weir__place_refuse(place, error,
	                          error == WEIR_ELIMIT   ? "what is counted does not fit into the map"
	                          : error == WEIR_ENOMEM ? "there is no room"
	                                                 : "the cells are in private memory, and stay there", 0);
}

static int start(struct weir__place *place, const struct weir_shm_options *o)
{
	bool map = o->home == WEIR_SHM_MAP;
	uint64_t bytes = look(NULL);
	const char *text;
	int error;

	memset(place, 0, sizeof *place);
	place->fd = place->dir = -1;
	if (bytes == 0)
		return weir__place_refuse(place, WEIR_ENOMEM, "there is no memory", 0);
	error = map ? weir__map_make(place, o) : weir__file_make(place, o, bytes);
	if (error == WEIR_OK)
		error = fill(place);
	if (error != WEIR_OK) {
		if (place->fd >= 0)
			close(place->fd);
		return error;
	}
	error = map ? weir__map_name(place, o) : weir__file_name(place, o);
	if (error != WEIR_OK)
		return error;
	text = place->path[0] != '\0' ? say(map ? "map" : "file", map ? 3 : 4, place->path) : "";
	if (text[0] != '\0')
		look(text);
	return WEIR_OK;
}

static int stop(uint64_t timeout_ns)
{
	(void)timeout_ns;
	if (!change_from(RUNNING))
		return WEIR_OK;
	if (!shm.keep && !shm.place.theirs && weir__place_unname(&shm.place))
		tell("its name is taken away");
	set(NONE);
	return WEIR_OK;
}

int weir_shm_start(const struct weir_shm_options *options)
{
	struct weir_shm_options o;
	int error;

	if (!take_options(&o, options)) {
		weir_private_log(WEIR_LOG_ERROR, "shm: the options are not what this version takes");
		return WEIR_EINVAL;
	}
	if (weir_private_disabled())
		return WEIR_OK;
	if (!change_from(NONE)) {
		weir_private_log(WEIR_LOG_ERROR, "shm: it was started already");
		return WEIR_ECONFLICT;
	}
	error = start(&shm.place, &o);
	if (shm.place.dir >= 0)
		close(shm.place.dir);
	if (error != WEIR_OK) {
		weir_private_log(WEIR_LOG_WARN, "shm: the cells stay where they are: %s", shm.place.why);
		tell(shm.place.why);
		set(NONE);
		return error;
	}
	shm.keep = o.keep;
	weir_private_on_shutdown(stop);
	set(RUNNING);
	return WEIR_OK;
}

int weir_shm_stop(void)
{
	return stop(0);
}
