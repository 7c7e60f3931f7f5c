/* weir-prometheus: requests. See request.h. Layer: exporter, I/O. */
#define _GNU_SOURCE
#include "request.h"

#include <weir/metric.h>

#include <string.h>
#include <strings.h>

WEIR_COUNTER(scrapes, "weir_prometheus_scrapes_total", "Requests to the endpoint, by the status of their answer.",
             "code");

static const char plain[] = "text/plain; charset=utf-8";
static const char page[] = "<!doctype html><title>weir</title><p><a href=\"/metrics\">/metrics</a>\n";

/* All values of a header as one list. What does not fit is as good as absent: the limit on headers is near. */
struct list {
	const char *name;
	size_t len;
	bool given, cut;
	char text[4096];
};

static enum MHD_Result join(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct list *list = cls;
	size_t len = value != NULL ? strlen(value) : 0;

	(void)kind;
	if (strcasecmp(key, list->name) != 0)
		return MHD_YES;
	if (list->len + len + 2 > sizeof list->text) {
		list->cut = true;
		return MHD_NO;
	}
	if (list->given)
		list->text[list->len++] = ',';
	list->given = true;
	if (len != 0)
		memcpy(list->text + list->len, value, len);
	list->len += len;
	return MHD_YES;
}

static void collect(struct list *list, struct MHD_Connection *connection, const char *name)
{
	list->name = name;
	list->len = 0;
	list->given = list->cut = false;
	MHD_get_connection_values(connection, MHD_HEADER_KIND, join, list);
}

/* A short answer; of its own headers, one. */
static enum MHD_Result tell(struct MHD_Connection *connection, unsigned status, const char *code, const char *type,
                            const char *text, const char *header, const char *value)
{
	struct MHD_Response *r = weir__answer_text(type, text);
	enum MHD_Result result = MHD_NO;

	if (r == NULL)
		return MHD_NO;
	if (header == NULL || MHD_add_response_header(r, header, value) == MHD_YES)
		result = MHD_queue_response(connection, status, r);
	MHD_destroy_response(r);
	weir_counter_add_with(&scrapes, 1, code);
	return result;
}

static enum MHD_Result answer_metrics(struct weir__answers *answers, struct MHD_Connection *connection)
{
	struct weir__prom_variant variant;
	enum weir__prom_coding coding;
	struct MHD_Response *r;
	enum MHD_Result result;
	struct list list;
	bool ok;

	collect(&list, connection, MHD_HTTP_HEADER_ACCEPT);
	ok = weir__prom_negotiate(&variant, list.given && !list.cut ? list.text : NULL, list.len);
	collect(&list, connection, MHD_HTTP_HEADER_ACCEPT_ENCODING);
	coding = weir__prom_negotiate_coding(list.given && !list.cut ? list.text : NULL, list.len);
	if (!ok || coding == WEIR__NO_CODING)
		return tell(
		    connection, MHD_HTTP_NOT_ACCEPTABLE, "406", plain,
		    "There is text/plain; version=0.0.4 or 1.0.0, and application/openmetrics-text; version=1.0.0;\n"
		    "as it is, or in gzip.\n",
		    MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding");
	r = weir__answer_metrics(answers, variant, coding);
	if (r == NULL)
		return tell(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "503", plain,
		            "There is no memory for an answer.\n", NULL, NULL);
	result = MHD_queue_response(connection, MHD_HTTP_OK, r);
	weir_counter_add_with(&scrapes, 1, "200");
	return result;
}

bool weir__request_has_body(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return (length != NULL && strspn(length, "0") != strlen(length)) ||
	       MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

/* http://host/path, as proxies ask, is /path. */
static const char *path_of(const char *url)
{
	const char *path;

	if (strncasecmp(url, "http://", 7) != 0)
		return url;
	path = strchr(url + 7, '/');
	return path != NULL ? path : "/";
}

enum MHD_Result weir__request_answer(struct weir__answers *answers, struct MHD_Connection *connection, const char *url,
                                     const char *method)
{
	const char *path = path_of(url);
	bool is_metrics = strcmp(path, "/metrics") == 0;

	if (!is_metrics && strcmp(path, "/") != 0)
		return tell(connection, MHD_HTTP_NOT_FOUND, "404", plain, "Not here: see /metrics.\n", NULL, NULL);
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return tell(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "405", plain, "Only GET and HEAD.\n",
		            MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (!is_metrics)
		return tell(connection, MHD_HTTP_OK, "200", "text/html; charset=utf-8", page, NULL, NULL);
	return answer_metrics(answers, connection);
}
