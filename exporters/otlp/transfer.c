/* weir-otlp: one exchange. See transfer.h. Layer: exporter, I/O. */
#define _GNU_SOURCE
#include "transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t take_body(char *bytes, size_t one, size_t len, void *arg)
{
	struct weir__otlp_transfer *t = arg;

	(void)one; /* always 1 */
	if (len > WEIR__OTLP_BODY_MOST - t->len) {
		t->too_large = true;
		return 0; /* libcurl then ends it */
	}
	if (len > t->room - t->len) {
		size_t room = t->room != 0 ? t->room : 1024;
		uint8_t *more;

		while (room < t->len + len)
			room *= 2;
		more = realloc(t->body, room);
		if (more == NULL) {
			t->no_memory = true;
			return 0;
		}
		t->body = more;
		t->room = room;
	}
	memcpy(t->body + t->len, bytes, len);
	t->len += len;
	return len;
}

static size_t take_header(char *bytes, size_t one, size_t len, void *arg)
{
	static const char name[] = "retry-after:";
	struct weir__otlp_transfer *t = arg;
	size_t at = sizeof name - 1;

	(void)one;
	if (len > 5 && strncasecmp(bytes, "HTTP/", 5) == 0) /* of a proxy, or 100: what came before does not count */
		t->retry_after[0] = '\0';
	if (len < at || strncasecmp(bytes, name, at) != 0)
		return len;
	while (at < len && (bytes[at] == ' ' || bytes[at] == '\t'))
		at++;
	snprintf(t->retry_after, sizeof t->retry_after, "%.*s", (int)(len - at), bytes + at);
	t->retry_after[strcspn(t->retry_after, "\r\n")] = '\0';
	for (size_t end = strlen(t->retry_after); end != 0 && (t->retry_after[end - 1] == ' ' || t->retry_after[end - 1] == '\t'); end--)
		t->retry_after[end - 1] = '\0';
	return len;
}

static bool add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *more = curl_slist_append(*list, line);

	if (more != NULL)
		*list = more;
	return more != NULL;
}

static bool make_headers(struct weir__otlp_transfer *t, const struct weir__otlp_target *target)
{
	bool ok = true;

	for (size_t i = 0; i < target->headers.count; i++)
		ok = ok && add_line(&t->plain, target->headers.lines[i]) && add_line(&t->packed, target->headers.lines[i]);
	ok = ok && add_line(&t->plain, "Content-Type: application/x-protobuf") && add_line(&t->plain, "Expect:");
	ok = ok && add_line(&t->packed, "Content-Type: application/x-protobuf") && add_line(&t->packed, "Expect:");
	return ok && add_line(&t->packed, "Content-Encoding: gzip");
}

#if LIBCURL_VERSION_NUM >= 0x075500
#define ONLY_HTTP(easy) curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https")
#else
#define ONLY_HTTP(easy) curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS))
#endif

bool weir__otlp_transfer_open(struct weir__otlp_transfer *t, const struct weir__otlp_target *target)
{
	long ms = (long)((target->timeout_ns + 999999) / 1000000);
	CURLcode code;
	CURL *e;

	memset(t, 0, sizeof *t);
	t->easy = e = curl_easy_init();
	if (e == NULL || !make_headers(t, target)) {
		weir__otlp_transfer_close(t, NULL);
		return false;
	}
	code = curl_easy_setopt(e, CURLOPT_URL, target->url);
	if (code == CURLE_OK)
		code = curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	if (code == CURLE_OK)
		code = ONLY_HTTP(e);
	if (code == CURLE_OK && target->ca_file != NULL)
		code = curl_easy_setopt(e, CURLOPT_CAINFO, target->ca_file);
	if (code == CURLE_OK && target->cert_file != NULL)
		code = curl_easy_setopt(e, CURLOPT_SSLCERT, target->cert_file);
	if (code == CURLE_OK && target->key_file != NULL)
		code = curl_easy_setopt(e, CURLOPT_SSLKEY, target->key_file);
	if (code == CURLE_OK)
		code = curl_easy_setopt(e, CURLOPT_USERAGENT, "OTel-OTLP-Exporter-C/" WEIR_VERSION_TEXT);
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
#endif
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* credentials are not a proxy's */
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_POST, 1L);
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, ms);
	if (ms == 0) /* without an end of its own, an attempt at a connection has 300 s from libcurl */
		curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, 30000L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->why);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (code != CURLE_OK)
		weir__otlp_transfer_close(t, NULL);
	return code == CURLE_OK;
}

bool weir__otlp_transfer_begin(struct weir__otlp_transfer *t, CURLM *multi, const uint8_t *bytes, size_t len, bool gzip)
{
	t->len = 0;
	t->too_large = t->no_memory = false;
	t->retry_after[0] = t->why[0] = '\0';
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, (const char *)bytes);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, gzip ? t->packed : t->plain);
	t->under_way = curl_multi_add_handle(multi, t->easy) == CURLM_OK;
	return t->under_way;
}

static enum weir__otlp_ended ended(const struct weir__otlp_transfer *t, CURLcode code, long status)
{
	if (t->too_large)
		return WEIR__OTLP_ENDED_TOO_LARGE;
	if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY) /* "Received HTTP/0.9" is the former */
		return WEIR__OTLP_ENDED_NO_HTTP;
	if (status == 0)
		return WEIR__OTLP_ENDED_SILENT;
	return code == CURLE_OK ? WEIR__OTLP_ENDED_ANSWERED : WEIR__OTLP_ENDED_INCOMPLETE;
}

static const char *error_of(const struct weir__otlp_transfer *t, CURLcode code)
{
	if (t->too_large)
		return "response_too_large";
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return "timeout";
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return "resolve";
	case CURLE_COULDNT_CONNECT:
		return "connect";
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return "tls";
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return "not_http";
	default:
		return "disconnect";
	}
}

void weir__otlp_transfer_end(struct weir__otlp_transfer *t, CURLM *multi, CURLcode code, struct weir__otlp_result *result)
{
	char *type = NULL;

	memset(result, 0, sizeof *result);
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &result->status);
	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
	curl_multi_remove_handle(multi, t->easy);
	t->under_way = false;
	result->ended = ended(t, code, result->status);
	result->content_type = type;
	result->retry_after = t->retry_after[0] != '\0' ? t->retry_after : NULL;
	if (code != CURLE_OK) {
		const char *words = t->too_large ? "its answer is over 4 MiB" : t->why[0] != '\0' ? t->why : curl_easy_strerror(code);

		snprintf(result->error, sizeof result->error, "%s", error_of(t, code));
		snprintf(result->why, sizeof result->why, "%s", words);
	} else if (result->status < 200 || result->status > 299) {
		snprintf(result->error, sizeof result->error, "%ld", result->status);
	}
}

void weir__otlp_transfer_close(struct weir__otlp_transfer *t, CURLM *multi)
{
	if (t->easy != NULL) {
		if (t->under_way)
			curl_multi_remove_handle(multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	curl_slist_free_all(t->plain);
	curl_slist_free_all(t->packed);
	free(t->body);
	memset(t, 0, sizeof *t);
}
