/* weir-otlp: weir_otlp_fetch: one document by libcurl. See weir/otlp.h. Layer: exporter, I/O.
 *
 * A handle of its own for each fetch. It is inside libcurl a turn at a time, and waits for sockets outside, so that exit need not wait
 * for a server. Invariant: nothing of an answer is acted on but its status, ETag, Cache-Control's max-age and the body up to its
 * limit. */
#define _GNU_SOURCE
#include "inside.h"

#include <weir/abi/private.h>
#include <weir/otlp.h>

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { POLL_MS = 20, AGE_DIGITS = 9, LINE = 192 };

struct fetching {
	struct weir_fetch *fetch;
	CURL *easy;
	struct curl_slist *headers;
	size_t room;
	bool too_large, no_memory;
	char why[CURL_ERROR_SIZE];
};

static void release(struct weir_fetch *fetch)
{
	free(fetch->body);
	fetch->body = NULL;
}

static size_t take_body(char *bytes, size_t one, size_t len, void *arg)
{
	struct fetching *f = arg;
	struct weir_fetch *to = f->fetch;

	(void)one; /* always 1 */
	if (len > to->limit - to->body_len) {
		f->too_large = true;
		return 0; /* libcurl then ends it */
	}
	if (len > f->room - to->body_len) {
		size_t room = f->room != 0 ? f->room : 4096;
		char *more;

		while (room < to->body_len + len)
			room *= 2;
		more = realloc(to->body, room);
		if (more == NULL) {
			f->no_memory = true;
			return 0;
		}
		to->body = more;
		f->room = room;
	}
	memcpy(to->body + to->body_len, bytes, len);
	to->body_len += len;
	return len;
}

/* ---- headers ----------------------------------------------------------------------------------------------------- */

/* The value, without the white space around it; ptr NULL: another header. */
static struct weir_str value_of(const char *name, const char *bytes, size_t len)
{
	size_t at = strlen(name);

	if (len < at || strncasecmp(bytes, name, at) != 0)
		return weir_str_n(NULL, 0);
	while (len > at && strchr(" \t\r\n", bytes[len - 1]) != NULL)
		len--;
	while (at < len && (bytes[at] == ' ' || bytes[at] == '\t'))
		at++;
	return weir_str_n(bytes + at, len - at);
}

/* It goes into our next question: visible characters only. */
static void take_etag(struct weir_fetch *to, struct weir_str value)
{
	if (value.len >= sizeof to->new_etag)
		return;
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] <= ' ' || value.ptr[i] == 0x7f)
			return;
	memcpy(to->new_etag, value.ptr, value.len);
	to->new_etag[value.len] = '\0';
}

static void take_cache_control(struct weir_fetch *to, struct weir_str value)
{
	static const char name[] = "max-age=";
	const size_t len = sizeof name - 1;
	uint64_t seconds = 0;

	for (size_t at = 0; at + len < value.len; at++) {
		if (strncasecmp(value.ptr + at, name, len) != 0 || (at != 0 && strchr(", \t", value.ptr[at - 1]) == NULL))
			continue;
		for (size_t i = at + len, digits = 0; i < value.len && digits < AGE_DIGITS && value.ptr[i] >= '0' && value.ptr[i] <= '9';
		     i++, digits++)
			seconds = seconds * 10 + (uint64_t)(value.ptr[i] - '0');
		to->max_age_ns = seconds * WEIR_S(1);
		return;
	}
}

static size_t take_header(char *bytes, size_t one, size_t len, void *arg)
{
	struct weir_fetch *to = ((struct fetching *)arg)->fetch;
	struct weir_str value;

	(void)one;
	if (len > 5 && strncasecmp(bytes, "HTTP/", 5) == 0) { /* of a proxy, or 100: what came before does not count */
		to->new_etag[0] = '\0';
		to->max_age_ns = 0;
	}
	value = value_of("etag:", bytes, len);
	if (value.ptr != NULL)
		take_etag(to, value);
	value = value_of("cache-control:", bytes, len);
	if (value.ptr != NULL)
		take_cache_control(to, value);
	return len;
}

/* ---- one exchange ------------------------------------------------------------------------------------------------ */

static bool add_header(struct fetching *f, const char *line)
{
	struct curl_slist *more = curl_slist_append(f->headers, line);

	if (more != NULL)
		f->headers = more;
	return more != NULL;
}

static CURLcode set_up(struct fetching *f, const struct weir_otlp_options *tls)
{
	char line[LINE];
	CURL *e = f->easy;
	CURLcode code = curl_easy_setopt(e, CURLOPT_URL, f->fetch->url);

	if (!add_header(f, "Accept: application/jwk-set+json, application/json"))
		return CURLE_OUT_OF_MEMORY;
	if (f->fetch->etag != NULL && f->fetch->etag[0] != '\0') {
		snprintf(line, sizeof line, "If-None-Match: %s", f->fetch->etag);
		if (!add_header(f, line))
			return CURLE_OUT_OF_MEMORY;
	}
	if (code == CURLE_OK)
		code = curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	if (code == CURLE_OK)
#if LIBCURL_VERSION_NUM >= 0x075500
		code = curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
		code = curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	if (code == CURLE_OK && tls != NULL && tls->ca_file != NULL)
		code = curl_easy_setopt(e, CURLOPT_CAINFO, tls->ca_file);
	if (code == CURLE_OK && tls != NULL && tls->cert_file != NULL)
		code = curl_easy_setopt(e, CURLOPT_SSLCERT, tls->cert_file);
	if (code == CURLE_OK && tls != NULL && tls->key_file != NULL)
		code = curl_easy_setopt(e, CURLOPT_SSLKEY, tls->key_file);
	if (code == CURLE_OK)
		code = curl_easy_setopt(e, CURLOPT_USERAGENT, "weir/" WEIR_VERSION_TEXT);
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
#endif
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, f->headers);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(f->fetch->timeout_ns / WEIR_MS(1) + 1));
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, f->why);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, f);
	curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	return code;
}

/* Inside when called and when back, outside while it waits. */
static CURLcode drive(CURLM *multi, CURL *easy, uint64_t until_ns)
{
	int running = 1, left;

	if (curl_multi_add_handle(multi, easy) != CURLM_OK)
		return CURLE_OUT_OF_MEMORY;
	while (running != 0 && weir_private_clock_ns() < until_ns) {
		struct timespec pause = {0, POLL_MS * 1000000L};
		fd_set in, out, bad;
		int top = -1;

		if (curl_multi_perform(multi, &running) != CURLM_OK)
			break;
		if (running == 0)
			break;
		FD_ZERO(&in);
		FD_ZERO(&out);
		FD_ZERO(&bad);
		curl_multi_fdset(multi, &in, &out, &bad, &top);
		weir__otlp_leave();
		pselect(top + 1, &in, &out, &bad, &pause, NULL);
		weir__otlp_enter();
	}
	for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;)
		if (message->msg == CURLMSG_DONE)
			return message->data.result;
	return CURLE_OPERATION_TIMEDOUT;
}

static int status_of(const struct fetching *f, CURLcode code)
{
	long status = 0;

	if (code == CURLE_OK && curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status > 0)
		return (int)status;
	if (f->too_large)
		return WEIR_ELIMIT;
	if (f->no_memory || code == CURLE_OUT_OF_MEMORY)
		return WEIR_ENOMEM;
	if (code == CURLE_UNSUPPORTED_PROTOCOL)
		return WEIR_EUNSUPPORTED;
	return code == CURLE_OPERATION_TIMEDOUT ? WEIR_ETIMEOUT : WEIR_EIO;
}

static void exchange(struct fetching *f, const struct weir_otlp_options *tls)
{
	uint64_t until = weir_private_clock_ns() + f->fetch->timeout_ns + WEIR_MS(100); /* libcurl's own comes first */
	CURLM *multi = curl_multi_init();
	CURLcode code = CURLE_OUT_OF_MEMORY;

	f->easy = curl_easy_init();
	if (multi != NULL && f->easy != NULL)
		code = set_up(f, tls);
	if (multi != NULL && f->easy != NULL && code == CURLE_OK)
		code = drive(multi, f->easy, until);
	f->fetch->status = f->easy != NULL ? status_of(f, code) : WEIR_ENOMEM;
	if (multi != NULL && f->easy != NULL)
		curl_multi_remove_handle(multi, f->easy);
	curl_easy_cleanup(f->easy);
	curl_multi_cleanup(multi);
	curl_slist_free_all(f->headers);
}

void weir_otlp_fetch(void *arg, struct weir_fetch *fetch)
{
	struct fetching f = {.fetch = fetch};

	fetch->body = NULL;
	fetch->body_len = 0;
	fetch->new_etag[0] = '\0';
	fetch->max_age_ns = 0;
	fetch->release = release;
	if (!weir__otlp_inside_prepare()) {
		fetch->status = WEIR_ENOMEM;
		return;
	}
	weir__otlp_inside_begin();
	weir__otlp_enter();
	exchange(&f, arg);
	weir__otlp_leave();
	if (fetch->status < 0)
		weir_private_log(WEIR_LOG_WARN, "otlp: a document cannot be fetched: %s",
		                 f.too_large ? "it is too large" : f.why[0] != '\0' ? f.why : weir_error_text(fetch->status));
}
