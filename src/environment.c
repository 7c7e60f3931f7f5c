/* L5: the environment, read once at weir_init. See environment.h. Empty is unset; what is wrong is told and passed over. */
#define _GNU_SOURCE
#include "environment.h"

#include "container.h"
#include "percent.h"
#include "port.h"
#include "snapshot.h"

#include <weir/abi/private.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

enum weir_log_level weir__environment_log_level(void)
{
	static const char names[][6] = {"none", "error", "warn", "info", "debug"};
	const char *value = variable("OTEL_LOG_LEVEL");

	for (int i = 0; value != NULL && i < 5; i++)
		if (strcasecmp(value, names[i]) == 0)
			return (enum weir_log_level)(WEIR_LOG_NONE + i);
	if (value != NULL)
		weir_private_log(WEIR_LOG_WARN, "OTEL_LOG_LEVEL=%.40s is not known: warn is taken", value);
	return WEIR_LOG_WARN;
}

uint64_t weir__environment_ns(const char *name, unsigned ms_without)
{
	const char *value = variable(name);
	unsigned long long ms;
	char *end;

	if (value == NULL)
		return WEIR_MS((uint64_t)ms_without);
	errno = 0;
	ms = strtoull(value, &end, 10);
	if (*end != '\0' || errno != 0 || value[0] == '-' || ms == 0 || ms > 86400000) {
		weir_private_log(WEIR_LOG_WARN, "%s=%.40s is no number of milliseconds: %u is taken", name, value, ms_without);
		return WEIR_MS((uint64_t)ms_without);
	}
	return WEIR_MS((uint64_t)ms);
}

/* ---- the resource ---- */

enum { ATTRS_MAX = 128, TEXT_BYTES = 16384 };

/* Where it is put together, in a mapping of its own, which goes. */
struct resource {
	struct weir_attrs attrs;
	struct weir_attr list[ATTRS_MAX];
	size_t used;
	char text[TEXT_BYTES];
};
/* What stays of it, no larger than it must be: kept for ever, and reachable from the newest, since a snapshot may point to a
 * former one. Its list stands behind it, then its text. */
struct kept {
	struct weir_attrs attrs;
	struct kept *former;
};
static struct kept *newest; /* writer: weir_init and weir_after_fork, one at a time */

static char *keep(struct resource *r, const char *bytes, size_t len)
{
	char *at = r->text + r->used;

	if (len + 1 > TEXT_BYTES - r->used)
		return NULL;
	memcpy(at, bytes, len);
	at[len] = '\0';
	r->used += len + 1;
	return at;
}

/* Sets a key; a later one wins. */
static void set(struct resource *r, const char *key, struct weir_attr value)
{
	size_t at = 0;

	while (at < r->attrs.count && strcmp(r->list[at].key.ptr, key) != 0)
		at++;
	if (at == ATTRS_MAX)
		return;
	if (value.type == WEIR_ATTR_STR) {
		value.as.str.ptr = keep(r, value.as.str.ptr != NULL ? value.as.str.ptr : "", value.as.str.len);
		if (value.as.str.ptr == NULL)
			return;
	}
	if (at == r->attrs.count) {
		const char *kept = keep(r, key, strlen(key));

		if (kept == NULL)
			return;
		value.key = weir_str_of(kept);
		r->attrs.count++;
	} else {
		value.key = r->list[at].key;
	}
	r->list[at] = value;
}

static void set_text(struct resource *r, const char *key, const char *text)
{
	if (text != NULL)
		set(r, key, weir_attr_str(key, text));
}

/* What the copy's list points to lies in the copy. */
static void copy(struct resource *to, const struct weir_attrs *from)
{
	to->attrs = (struct weir_attrs){to->list, 0};
	to->used = 0;
	for (size_t i = 0; i < from->count; i++)
		set(to, from->ptr[i].key.ptr, from->ptr[i]);
}

static struct resource *begin(void)
{
	struct resource *r = weir__map(sizeof *r, true, false);

	if (r != NULL)
		r->attrs.ptr = r->list;
	return r;
}

static int finish(struct resource *r)
{
	size_t list = r->attrs.count * sizeof *r->list;
	struct kept *k = malloc(sizeof *k + list + r->used);

	if (k != NULL) {
		struct weir_attr *to = (struct weir_attr *)(void *)(k + 1);
		char *text = (char *)(to + r->attrs.count);

		memcpy(to, r->list, list);
		memcpy(text, r->text, r->used);
		for (size_t i = 0; i < r->attrs.count; i++) {
			to[i].key.ptr = text + (to[i].key.ptr - r->text);
			if (to[i].type == WEIR_ATTR_STR)
				to[i].as.str.ptr = text + (to[i].as.str.ptr - r->text);
		}
		k->attrs = (struct weir_attrs){to, r->attrs.count};
		k->former = newest;
		newest = k;
		weir__resource_set(&k->attrs);
	}
	weir__unmap(r, sizeof *r);
	return k != NULL ? WEIR_OK : WEIR_ENOMEM;
}

/* key=value,key=value, percent-encoded; one bad pair discards the whole. */
static void set_from_variable(struct resource *r)
{
	const char *text = variable("OTEL_RESOURCE_ATTRIBUTES");
	struct resource *trial;

	if (text == NULL || (trial = begin()) == NULL)
		return;
	copy(trial, &r->attrs);
	while (*text != '\0') {
		size_t pair = strcspn(text, ","), equals = strcspn(text, "="), end, key_len, value_len;
		char key[256], value[1025];

		while (pair != 0 && (*text == ' ' || *text == '\t'))
			text++, pair--, equals -= equals != 0;
		if (equals == 0 || equals >= pair)
			break;
		for (end = equals; text[end - 1] == ' ' || text[end - 1] == '\t';)
			end--;
		key_len = weir__percent_decode(key, sizeof key, weir_str_n(text, end));
		value_len = weir__percent_decode(value, sizeof value, weir_str_n(text + equals + 1, pair - equals - 1));
		if (key_len == 0 || key_len == sizeof key || strlen(key) != key_len || value_len == sizeof value)
			break;
		set(trial, key, weir_attr_str_n(key, weir_str_n(value, value_len)));
		text += pair;
		text += *text == ',';
	}
	if (*text == '\0') {
		copy(r, &trial->attrs);
	} else {
		weir_private_log(WEIR_LOG_WARN, "OTEL_RESOURCE_ATTRIBUTES is not key=value,... and is passed over");
	}
	weir__unmap(trial, sizeof *trial);
}

static void set_instance(struct resource *r)
{
	uint8_t id[16];
	char text[37];
	int at = 0;

	if (getrandom(id, sizeof id, GRND_NONBLOCK) != (ssize_t)sizeof id)
		return;
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* RFC 9562, version 4 */
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	for (int i = 0; i < 16; i++)
		at += snprintf(text + at, sizeof text - (size_t)at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", id[i]);
	set_text(r, "service.instance.id", text);
}

static void set_found(void *arg, const char *key, const char *value)
{
	set_text(arg, key, value);
}

int weir__environment_resource(const struct weir_options *o)
{
	struct resource *r = begin();
	char path[512], name[256];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
	const char *exe;
	struct utsname host;

	if (r == NULL)
		return WEIR_ENOMEM;
	path[len > 0 ? len : 0] = '\0';
	exe = strrchr(path, '/');
	exe = exe != NULL ? exe + 1 : "unknown";
	snprintf(name, sizeof name, "unknown_service:%.200s", exe);
	set_text(r, "service.name", name);
	set_instance(r);
	set_text(r, "telemetry.sdk.language", "c");
	set_text(r, "telemetry.sdk.name", "weir");
	set_text(r, "telemetry.sdk.version", WEIR_VERSION_TEXT);
	set(r, "process.pid", weir_attr_int("process.pid", weir__pid()));
	set_text(r, "process.executable.name", exe);
	if (uname(&host) == 0) {
		set_text(r, "host.name", host.nodename);
		set_text(r, "host.arch", strcmp(host.machine, "x86_64") == 0 ? "amd64"
		                         : strcmp(host.machine, "aarch64") == 0 ? "arm64" : host.machine);
	}
	set_text(r, "os.type", "linux");
	weir__container_tell(set_found, r);
	set_from_variable(r);
	set_text(r, "service.name", variable("OTEL_SERVICE_NAME"));
	for (size_t i = 0; i < o->resource.count; i++) {
		char key[256];

		if (o->resource.ptr[i].key.len >= sizeof key)
			continue;
		memcpy(key, o->resource.ptr[i].key.ptr, o->resource.ptr[i].key.len);
		key[o->resource.ptr[i].key.len] = '\0';
		set(r, key, o->resource.ptr[i]);
	}
	set_text(r, "service.name", o->service_name);
	set_text(r, "service.version", o->service_version);
	return finish(r);
}

int weir__environment_resource_again(void)
{
	struct resource *r = begin();

	if (r == NULL)
		return WEIR_ENOMEM;
	if (newest != NULL)
		copy(r, &newest->attrs);
	set_instance(r);
	set(r, "process.pid", weir_attr_int("process.pid", weir__pid()));
	return finish(r);
}
