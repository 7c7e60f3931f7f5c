/* What the environment says to weir-otlp, from any bytes: an endpoint that is taken can be appended to and shown, and what is
 * shown holds no secret; a list of headers makes lines behind which nothing can be smuggled in. Input: the first byte's lowest
 * bit says which of the two, the rest is the text. */
#define _GNU_SOURCE
#include "header.h"
#include "url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool what)
{
	if (!what)
		abort();
}

static void look_at_endpoint(const char *text)
{
	char host[300] = "", *whole, *shown, *end;
	unsigned port = 65536;

	if (weir__otlp_url_wrong(text) != NULL)
		return;
	whole = weir__otlp_url_append(text, "v1/traces");
	require(whole != NULL && strlen(whole) >= strlen(text) && strstr(whole, "/v1/traces") != NULL);
	shown = weir__otlp_url_shown(whole);
	require(shown != NULL && strchr(shown, '?') == NULL && strstr(shown, "/v1/traces") != NULL);
	require(strncasecmp(shown, "http://", 7) == 0 || strncasecmp(shown, "https://", 8) == 0);
	end = strchr(strstr(shown, "://") + 3, '/');
	require(end != NULL);
	require(memchr(shown, '@', (size_t)(end - shown)) == NULL); /* neither user nor password */
	require(weir__otlp_url_server(whole, host, sizeof host, &port));
	require(host[0] != '\0' && port <= 65535);
	free(whole);
	free(shown);
}

static void look_at_line(const char *line)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char *const ours[] = {"content-type", "content-encoding", "content-length", "transfer-encoding", "connection", "expect"};
	size_t name = strspn(line, token);

	require(name != 0 && (strcmp(line + name, ";") == 0 || (strncmp(line + name, ": ", 2) == 0 && line[name + 2] != '\0')));
	for (const char *c = line; *c != '\0'; c++)
		require((unsigned char)*c >= ' ' || *c == '\t');
	require(strchr(line, 0x7f) == NULL);
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		require(strlen(ours[i]) != name || strncasecmp(line, ours[i], name) != 0);
}

static void look_at_headers(const char *text)
{
	struct weir__otlp_headers h = {NULL, 0};
	size_t bad, members = 1;

	for (const char *c = text; *c != '\0'; c++)
		members += *c == ',';
	require(weir__otlp_headers_parse(&h, text, &bad));
	require(h.count <= 64 && h.count + bad <= members);
	for (size_t i = 0; i < h.count; i++) {
		size_t name = strcspn(h.lines[i], ":;");

		look_at_line(h.lines[i]);
		for (size_t n = 0; n < i; n++) /* each name once */
			require(strcspn(h.lines[n], ":;") != name || strncasecmp(h.lines[n], h.lines[i], name) != 0);
	}
	weir__otlp_headers_free(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size); /* so many bytes with the NUL, so that a read past them is seen */
	require(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] & 1)
		look_at_headers(text);
	else
		look_at_endpoint(text);
	free(text);
	return 0;
}
