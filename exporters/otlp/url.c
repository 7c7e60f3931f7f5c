/* weir-otlp: endpoints. See url.h. Layer: exporter, pure. */
#define _GNU_SOURCE
#include "url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LONGEST = 2048 };

const char weir__otlp_url_no_memory[] = "there is no memory to look at it";

static CURLUcode get(CURLU *url, CURLUPart what, char **text)
{
	*text = NULL;
	return curl_url_get(url, what, text, 0);
}

static char *part(CURLU *url, CURLUPart what, unsigned flags)
{
	char *text = NULL;

	return curl_url_get(url, what, &text, flags) == CURLUE_OK ? text : NULL;
}

const char *weir__otlp_url_wrong(const char *text)
{
	const char *why = NULL;
	CURLUcode set, had_host, had_fragment;
	char *host, *fragment;
	CURLU *url;

	if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0)
		return "it begins with neither http:// nor https://";
	if (strstr(text, "://")[3] == '/') /* libcurl would pass over it */
		return "it has no host";
	if (strlen(text) > LONGEST)
		return "it is too long";
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '\\')
			return "it holds blanks, controls or backslashes";
	url = curl_url();
	if (url == NULL)
		return weir__otlp_url_no_memory;
	set = curl_url_set(url, CURLUPART_URL, text, 0);
	had_host = get(url, CURLUPART_HOST, &host);
	had_fragment = get(url, CURLUPART_FRAGMENT, &fragment);
	if (set == CURLUE_OUT_OF_MEMORY || had_host == CURLUE_OUT_OF_MEMORY || had_fragment == CURLUE_OUT_OF_MEMORY)
		why = weir__otlp_url_no_memory;
	else if (set != CURLUE_OK)
		why = "host or port are not what a URL has";
	else if (host == NULL || host[0] == '\0')
		why = "it has no host";
	else if (fragment != NULL)
		why = "it has a fragment (#)";
	curl_free(host);
	curl_free(fragment);
	curl_url_cleanup(url);
	return why;
}

char *weir__otlp_url_append(const char *base, const char *path)
{
	size_t before = strcspn(base, "?"), len = strlen(base) + strlen(path) + 2;
	const char *scheme_end = strstr(base, "://"), *query = base + before;
	const char *slash = before > 0 && base[before - 1] == '/' && base + before > scheme_end + 3 ? "" : "/";
	char *made = malloc(len);

	if (made != NULL)
		snprintf(made, len, "%.*s%s%s%s", (int)before, base, slash, path, query);
	return made;
}

char *weir__otlp_url_shown(const char *text)
{
	CURLU *url = curl_url();
	char *made = NULL, *whole;

	if (url == NULL)
		return NULL;
	if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) {
		curl_url_set(url, CURLUPART_USER, NULL, 0);
		curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
		curl_url_set(url, CURLUPART_OPTIONS, NULL, 0);
		curl_url_set(url, CURLUPART_QUERY, NULL, 0);
		whole = part(url, CURLUPART_URL, 0);
		if (whole != NULL)
			made = strdup(whole);
		curl_free(whole);
	}
	curl_url_cleanup(url);
	return made;
}

bool weir__otlp_url_server(const char *text, char *host, size_t size, unsigned *port)
{
	CURLU *url = curl_url();
	char *name = NULL, *number = NULL;

	if (url == NULL)
		return false;
	if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) {
		name = part(url, CURLUPART_HOST, 0);
		number = part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	}
	if (name != NULL && number != NULL) {
		snprintf(host, size, "%s", name);
		*port = (unsigned)strtoul(number, NULL, 10);
	}
	curl_url_cleanup(url);
	curl_free(name);
	curl_free(number);
	return name != NULL && number != NULL;
}
