/* weir-jwt: keys' sources. See source.h. Layer: jwt, I/O. What is foreign (the fetch, libcrypto's reading of keys) runs behind the
 * gate, and never under the lock. */
#define _GNU_SOURCE
#include "source.h"

#include "health.h"
#include "keeper.h"

#include <weir/abi/private.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct weir__jwt_pace weir__jwt_pace = {
    .tick_ns = WEIR_S(1),
    .unknown_ns = WEIR_S(30),
    .life_least_ns = WEIR_S(30),
    .life_most_ns = WEIR_S(86400),
    .retry_first_ns = WEIR_S(1),
    .retry_most_ns = WEIR_S(300),
    .timeout_ns = WEIR_S(10),
    .leave_ns = WEIR_MS(100),
};

enum { FILE_MOST = WEIR__JWKS_BYTES_MOST };

enum weir__jwt_published weir__jwt_source_publish(struct weir_jwt_verifier *v, struct weir_str json, const char *whence)
{
	enum weir__jwt_published outcome = WEIR__JWT_FAILED;
	struct weir_jwks *fresh = NULL;
	size_t added = 0;
	int error = weir_jwks_new(&fresh);

	if (error == WEIR_OK)
		error = weir_jwks_add_jwks(fresh, json, &added);
	if (error == WEIR_OK && added != 0) {
		outcome = weir__jwt_rotation_publish(&v->rotation, fresh, v->source.grace_ns);
		weir__jwt_lock();
		if (outcome != WEIR__JWT_FAILED)
			v->source.fresh_ns = weir_private_clock_ns();
		weir__jwt_unlock();
	} else {
		weir_jwks_destroy(fresh);
		weir_private_log(WEIR_LOG_ERROR, "jwt: verifier %u: %s: %s; the last good key set stays", v->source.number, whence,
		                 error != WEIR_OK ? weir_error_text(error) : "there is no key in it that can be used");
	}
	weir__jwt_health_refresh(outcome);
	return outcome;
}

/* ---- a file ------------------------------------------------------------------------------------------------------ */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* A file that is still being written may be written again within the clock's grain, and keep its time. */
static bool is_settled(const struct stat *s)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec > s->st_mtim.tv_sec + 2;
}

/* NULL: what is wrong is in errno. */
static char *read_all(int fd, size_t len)
{
	char *bytes = malloc(len + 1);
	size_t at = 0;

	while (bytes != NULL && at < len) {
		ssize_t got = read(fd, bytes + at, len - at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			if (got == 0)
				errno = EAGAIN; /* it became shorter */
			OPENSSL_cleanse(bytes, at);
			free(bytes);
			return NULL;
		}
		at += (size_t)got;
	}
	return bytes;
}

/* What the path leads to now, and its bytes. NULL: see errno. */
static char *read_file(const char *path, struct stat *s)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *bytes = NULL;
	int error;

	if (fd < 0)
		return NULL;
	if (fstat(fd, s) == 0) {
		if (!S_ISREG(s->st_mode))
			errno = EINVAL;
		else if (s->st_size > FILE_MOST)
			errno = EFBIG;
		else
			bytes = read_all(fd, (size_t)s->st_size);
	}
	error = errno;
	close(fd);
	errno = error;
	return bytes;
}

void weir__jwt_source_file(struct weir_jwt_verifier *v, bool force)
{
	struct weir__jwt_source *s = &v->source;
	enum weir__jwt_published outcome;
	struct stat now;
	char *bytes;

	if (stat(s->path, &now) == 0 && !force && s->settled && is_same_file(&now, &s->seen)) {
		weir__jwt_lock();
		if (s->good)
			s->fresh_ns = weir_private_clock_ns();
		weir__jwt_unlock();
		return;
	}
	bytes = read_file(s->path, &now);
	if (bytes == NULL) {
		weir_private_log(WEIR_LOG_ERROR, "jwt: the key set %.300s cannot be read: %s", s->path, strerrordesc_np(errno));
		memset(&s->seen, 0, sizeof s->seen);
		s->settled = false;
		outcome = WEIR__JWT_FAILED;
		weir__jwt_health_refresh(outcome);
	} else {


		s->seen = now;
		s->settled = is_settled(&now);
		outcome = weir__jwt_source_publish(v, weir_str_n(bytes, (size_t)now.st_size), s->path);
		OPENSSL_cleanse(bytes, (size_t)now.st_size);
		free(bytes);
	}
	weir__jwt_lock();
	s->good = outcome != WEIR__JWT_FAILED;
	weir__jwt_unlock();
}

/* ---- a fetch ----------------------------------------------------------------------------------------------------- */

/* Somewhere from a half to all of it, so that many hosts do not come at once. */
static uint64_t spread(uint64_t ns)
{
	uint64_t mixed = (weir_private_clock_ns() ^ (uint64_t)(uintptr_t)&ns) * UINT64_C(0x9e3779b97f4a7c15);

	return ns / 2 + (mixed >> 11) % (ns / 2 + 1);
}

static uint64_t clamp(uint64_t v, uint64_t least, uint64_t most)
{
	return v < least ? least : v > most ? most : v;
}

/* With the lock. */
static void plan(struct weir__jwt_source *s, bool good, uint64_t max_age_ns)
{
	const struct weir__jwt_pace *pace = &weir__jwt_pace;
	uint64_t now = weir_private_clock_ns(), wait;

	if (good) {
		uint64_t life = clamp(max_age_ns != 0 ? max_age_ns : s->refresh_ns, pace->life_least_ns, pace->life_most_ns);

		s->failures = 0;
		wait = life - life / 5 + spread(life / 5);
	} else {
		wait = pace->retry_first_ns;
		for (uint32_t i = 0; i < s->failures && wait < pace->retry_most_ns; i++)
			wait *= 2;
		wait = spread(wait < pace->retry_most_ns ? wait : pace->retry_most_ns);
		s->failures += s->failures < 32;
	}
	s->due_ns = now + wait;
}

/* Whether the answer is a good one: a set that was taken, or 304. */
static bool take_answer(struct weir_jwt_verifier *v, const struct weir_fetch *f, bool had_etag)
{
	struct weir__jwt_source *s = &v->source;
	char whence[48];

	snprintf(whence, sizeof whence, "the key set fetched (status %d)", f->status);
	if (f->status == 304 && had_etag) {
		weir__jwt_lock();
		s->fresh_ns = weir_private_clock_ns();
		weir__jwt_unlock();
		weir__jwt_health_refresh(WEIR__JWT_UNCHANGED);
		return true;
	}
	if (f->status != 200 || f->body == NULL || f->body_len > f->limit) {
		weir_private_log(WEIR_LOG_ERROR, "jwt: verifier %u: the key set cannot be fetched: %s %d; the last good key set stays", s->number,
		                 f->status < 0 ? weir_error_text(f->status) : f->body_len > f->limit ? "it is too large; status" : "status",
		                 f->status);
		weir__jwt_health_refresh(WEIR__JWT_FAILED);
		return false;
	}
	return weir__jwt_source_publish(v, weir_str_n(f->body, f->body_len), whence) != WEIR__JWT_FAILED;
}

struct fetching {
	struct weir_jwt_verifier *verifier;
	uint64_t asked; /* refreshes that it answers */
};

static bool is_destroyed(const struct weir_jwt_verifier *v)
{
	bool destroyed;

	weir__jwt_lock();
	destroyed = v->destroyed;
	weir__jwt_unlock();
	return destroyed;
}

static void fetch_run(void *arg)
{
	struct fetching *job = arg;
	struct weir_jwt_verifier *v = job->verifier;
	struct weir__jwt_source *s = &v->source;
	struct weir_fetch f = {.url = s->url, .etag = s->etag, .timeout_ns = weir__jwt_pace.timeout_ns, .limit = FILE_MOST};
	bool good, last, had_etag = s->etag[0] != '\0';

	weir_private_gate_enter();
	s->fetch(s->fetch_arg, &f);
	good = !is_destroyed(v) && take_answer(v, &f, had_etag);
	if (f.release != NULL)
		f.release(&f);
	weir_private_gate_leave();

	weir__jwt_lock();
	if (good && f.status == 200) {
		f.new_etag[sizeof f.new_etag - 1] = '\0';
		memcpy(s->etag, f.new_etag, sizeof s->etag);
	}
	plan(s, good, f.max_age_ns);
	s->good = good;
	s->running = false;
	if (s->done < job->asked)
		s->done = job->asked;
	last = weir__jwt_verifier_release(v);
	if (last) {
		weir__jwt_keeper_leave(s->thread); /* this one */
		s->thread = NULL;
	}
	weir__jwt_wake();
	weir__jwt_unlock();
	if (last)
		weir__jwt_verifier_free(v);
	free(job);
}

void weir__jwt_source_fetch(struct weir_jwt_verifier *v, uint64_t now_ns)
{
	struct weir__jwt_source *s = &v->source;
	bool unknown = __atomic_load_n(&s->unknown, __ATOMIC_RELAXED) != 0 && now_ns - s->began_ns >= weir__jwt_pace.unknown_ns;
	struct fetching *job;

	if (s->running || (now_ns < s->due_ns && s->asked == s->done && !unknown))
		return;
	if (s->thread != NULL) /* it has ended, or is about to */
		weir_private_thread_join(s->thread, weir__jwt_pace.leave_ns);
	s->thread = NULL;
	__atomic_store_n(&s->unknown, 0, __ATOMIC_RELAXED);
	s->began_ns = now_ns;
	job = malloc(sizeof *job);
	if (job != NULL) {
		*job = (struct fetching){v, s->asked};
		s->running = true;
		v->holders++;
		if (weir_private_thread_start(&s->thread, "weir-jwt-fetch", fetch_run, job) == WEIR_OK)
			return;
		s->running = false;
		v->holders--;
		free(job);
	}
	plan(s, false, 0); /* no memory for a thread */
	s->good = false;
	s->done = s->asked;
	weir__jwt_wake();
}

void weir__jwt_source_unknown(struct weir__jwt_source *s)
{
	if (s->url == NULL || __atomic_load_n(&s->unknown, __ATOMIC_RELAXED) != 0 || __atomic_exchange_n(&s->unknown, 1, __ATOMIC_RELAXED) != 0)
		return;
	if (!weir__jwt_try_lock()) /* the thread sees it within a second */
		return;
	weir__jwt_wake();
	weir__jwt_unlock();
}

uint64_t weir__jwt_source_next(const struct weir__jwt_source *s)
{
	uint64_t next;

	if (s->url == NULL || s->running)
		return UINT64_MAX;
	next = s->due_ns;
	if (__atomic_load_n(&s->unknown, __ATOMIC_RELAXED) != 0 && s->began_ns + weir__jwt_pace.unknown_ns < next)
		next = s->began_ns + weir__jwt_pace.unknown_ns;
	return next;
}

void weir__jwt_source_free(struct weir__jwt_source *s)
{
	if (s->thread != NULL)
		weir_private_thread_join(s->thread, weir__jwt_pace.leave_ns); /* it has ended, or is about to */
	free(s->path);
	free(s->url);
	memset(s, 0, sizeof *s);
}

void weir__jwt_source_child(struct weir__jwt_source *s)
{
	s->running = false;
	s->thread = NULL; /* the parent's */
	s->etag[0] = '\0';
	s->due_ns = 0;
	s->settled = false;
	s->done = s->asked;
}
