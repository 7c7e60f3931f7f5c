/* Loading the plugins, which lie beside the program. */
#ifndef DLOPEN_LOAD_H
#define DLOPEN_LOAD_H

#include "case.h"
#include "dlopen_plugin.h"

#include <dlfcn.h>
#include <limits.h>

struct loaded {
	void *handle;
	const struct plugin *plugin;
	char path[PATH_MAX + 64];
};

static inline void plugin_path(char path[PATH_MAX + 64], const char *file)
{
	char here[PATH_MAX] = "";
	ssize_t len = readlink("/proc/self/exe", here, sizeof here - 1);

	CHECK(len > 0);
	*strrchr(here, '/') = '\0';
	snprintf(path, PATH_MAX + 64, "%s/%s", here, file);
}

static inline void load(struct loaded *l, const char *path)
{
	snprintf(l->path, sizeof l->path, "%s", path);
	l->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (l->handle == NULL)
		FAIL("%s", dlerror());
	l->plugin = dlsym(l->handle, "plugin");
	CHECK(l->plugin != NULL);
}

static inline bool is_mapped(const char *path)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 256];
	bool found = false;

	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		found = found || strstr(line, path) != NULL;
	if (file != NULL)
		fclose(file);
	return found;
}

/* It must truly go, or these tests say nothing. */
static inline void unload(struct loaded *l)
{
	CHECK(dlclose(l->handle) == 0);
	CHECK(!is_mapped(l->path));
}

#endif
