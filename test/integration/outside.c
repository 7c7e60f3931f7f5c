/* weir offsets on this process, which has no libweir until a plugin brings it: where it says, each thread has its trace. */
#include "case.h"

#include <dlfcn.h>

/* As weir/context.h has them: its inclusion alone would have us linked with libweir. */
struct weir_ctx {
	uint64_t private_[128];
};
struct weir_scope {
	uint64_t private_[2];
};
static int (*attach)(struct weir_ctx *, struct weir_scope *, const void **);
static void (*detach)(struct weir_ctx *, struct weir_scope);

static void load(void)
{
	const char *build = getenv("WEIR_BUILD");
	char path[4096];
	void *plugin;

	CHECK(build != NULL);
	snprintf(path, sizeof path, "%s/test/outside_plugin.so", build);
	if (access(path, R_OK) != 0)
		snprintf(path, sizeof path, "%s/test/liboutside_plugin.so", build);
	plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (plugin == NULL)
		FAIL("%s", dlerror());
	*(void **)&attach = dlsym(plugin, "plugin_attach");
	*(void **)&detach = dlsym(plugin, "plugin_detach");
	CHECK(attach != NULL && detach != NULL);
}

/* What weir offsets --json says of this process. */
static int ask(char *text, size_t size)
{
	char command[4096];
	size_t got;
	FILE *out;

	snprintf(command, sizeof command, "exec '%s/bin/weir' offsets --json %d 2>&1", getenv("WEIR_BUILD"), (int)getpid());
	out = popen(command, "re");
	CHECK(out != NULL);
	got = fread(text, 1, size - 1, out);
	text[got] = '\0';
	return WEXITSTATUS(pclose(out));
}

static long long number_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	long long value = 0;

	if (at == NULL || sscanf(at + strlen(key), "%lld", &value) != 1)
		FAIL("no %s in %s", key, text);
	return value;
}

static long long offset;

static void *in_a_thread(void *arg)
{
	struct weir_ctx ctx;
	struct weir_scope scope;
	const void *slot, *const *found = (const void *const *)((uintptr_t)__builtin_thread_pointer() + (uintptr_t)offset);

	(void)arg;
	CHECK(*found == NULL);
	CHECK(attach(&ctx, &scope, &slot));
	CHECK(slot == found);
	CHECK(*found == &ctx);
	detach(&ctx, scope);
	CHECK(*found == NULL);
	return NULL;
}

static void a_plugins(void)
{
	char text[4096];
	pthread_t thread;
	int code;

	code = ask(text, sizeof text);
	if (code != 1)
		FAIL("weir offsets ends with %d: %s", code, text);
	CHECK(strstr(text, "no module of the process has otel_thread_ctx_v1") != NULL);
	load();
	code = ask(text, sizeof text);
	if (code != 0)
		FAIL("weir offsets ends with %d: %s", code, text);
	CHECK(strstr(text, "/libweir.so.") != NULL);
	offset = number_of(text, "\"tp_offset\":");
	in_a_thread(NULL);
	for (int n = 0; n < 8; n++) {
		CHECK(pthread_create(&thread, NULL, in_a_thread, NULL) == 0);
		pthread_join(thread, NULL);
	}
}

CASES({"a_plugins", a_plugins, 30})
