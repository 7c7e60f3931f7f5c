/* L0: the log callback, its level and its patience. See log.h. Writers: weir__log_set, and whoever logs, under a spin of its
 * own that is never held across the callback. */
#define _GNU_SOURCE
#include "log.h"

#include "atomic.h"
#include "port.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LATER = 32, LINE = 512, REMEMBERED = 128 };
enum { FREE, WRITING, READY };

static struct {
	/* Writers: weir__log_set; readers: any thread. One pair at a time is good enough for a callback that is set at start. */
	weir_log_fn *log;
	void *arg;
	enum weir_log_level level; /* WEIR_LOG_ENV: not set yet, which is warn */
	/* Of later: FREE -> WRITING by compare-and-swap; READY by release; FREE again by the flusher's release. Looked at before it
	 * is swapped, and apart from the texts: a swap that fails would still take a page to itself. */
	uint32_t state[LATER];
	char later[LATER][LINE];
	struct {
		uint32_t hash;
		uint64_t until_ns;
	} remembered[REMEMBERED]; /* relaxed words: a race repeats a message, or keeps one back */
} logging; /* all zeros, so that the file does not carry it */

void weir__log_set(weir_log_fn *log, void *arg, enum weir_log_level level)
{
	weir__store_relaxed(&logging.arg, arg);
	weir__store_release(&logging.log, log);
	weir__store_relaxed(&logging.level, level);
}

static bool said_lately(const char *text)
{
	uint64_t now = weir__clock_ns(), oldest = UINT64_MAX;
	uint32_t hash = 2166136261u;
	int to = 0;

	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	for (int at = 0; at < REMEMBERED; at++) {
		uint64_t until = weir__load_relaxed(&logging.remembered[at].until_ns);

		if (until > now && weir__load_relaxed(&logging.remembered[at].hash) == hash)
			return true;
		if (until < oldest) {
			oldest = until;
			to = at;
		}
	}
	weir__store_relaxed(&logging.remembered[to].hash, hash);
	weir__store_relaxed(&logging.remembered[to].until_ns, now + UINT64_C(60000000000));
	return false;
}

static void say(enum weir_log_level level, const char *text)
{
	weir_log_fn *log = weir__load_acquire(&logging.log);
	int saved = errno;

	if (log != NULL) {
		log(weir__load_relaxed(&logging.arg), level, text);
	} else {
		char line[LINE + 32];
		int len = snprintf(line, sizeof line, "weir: %s%s\n",
		                   level == WEIR_LOG_ERROR ? "error: " : level == WEIR_LOG_WARN ? "warning: " : "", text);

		if (len > 0 && write(STDERR_FILENO, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1) < 0)
			len = 0; /* there is nobody to tell */
	}
	errno = saved;
}

void weir_private_log(enum weir_log_level level, const char *format, ...)
{
	enum weir_log_level most = weir__load_relaxed(&logging.level);
	char text[LINE];
	va_list args;

	if (level > (most != WEIR_LOG_ENV ? most : WEIR_LOG_WARN))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (!said_lately(text))
		say(level, text);
}

static bool take(int at, uint32_t state)
{
	return weir__load_relaxed(&logging.state[at]) == state && weir__cas_acquire(&logging.state[at], &state, (uint32_t)WRITING);
}

/* Of a kind (or, without one, of a text) one is enough until the next tick. The place is taken while it is looked at: its
 * flusher may be at it, and then another writer. */
static bool is_kept(int at, const char *what, const char *name)
{
	bool same;

	if (!take(at, READY))
		return false;
	if (*what != '\0')
		same = strncmp(logging.later[at], what, strnlen(what, LINE - 1)) == 0;
	else
		same = strncmp(logging.later[at], name, LINE - 1) == 0;
	weir__store_release(&logging.state[at], (uint32_t)READY);
	return same;
}

void weir__log_later_about(const char *what, const char *name)
{
	size_t first = strnlen(what, LINE - 1), second = strnlen(name, LINE - 1 - first);

	for (int i = 0; i < LATER; i++) {
		if (is_kept(i, what, name))
			return;
		if (!take(i, FREE))
			continue;
		memcpy(logging.later[i], what, first);
		memcpy(logging.later[i] + first, name, second);
		logging.later[i][first + second] = '\0';
		weir__store_release(&logging.state[i], (uint32_t)READY);
		return;
	}
}

void weir__log_later(const char *text)
{
	weir__log_later_about("", text);
}

void weir__log_flush(void)
{
	for (int i = 0; i < LATER; i++) {
		char text[LINE];

		if (!take(i, READY))
			continue;
		memcpy(text, logging.later[i], LINE);
		weir__store_release(&logging.state[i], (uint32_t)FREE);
		weir_private_log(WEIR_LOG_ERROR, "%s", text);
	}
}
