/* weir-otlp: endpoints: whether a text is one, what is appended to a base, and what of it may be shown.
 *
 * Layer: exporter, pure (libcurl's parser, which does no I/O). Invariant: what weir__otlp_url_shown gives holds neither
 * user, password nor query. No data of its own. */
#ifndef WEIR_OTLP_URL_H
#define WEIR_OTLP_URL_H

#include <stdbool.h>
#include <stddef.h>

/* NULL: it is a URL of http or https with a host; else why it is not, which repeats nothing of the text; or no_memory. */
extern const char weir__otlp_url_no_memory[];
const char *weir__otlp_url_wrong(const char *text);
/* base/path, before a query if the base has one; malloc's. NULL: no memory. base was found well. */
char *weir__otlp_url_append(const char *base, const char *path);
/* scheme://host:port/path; malloc's. NULL: no memory. */
char *weir__otlp_url_shown(const char *url);
/* host: at most size bytes with the NUL; the port as a number. false: no memory. */
bool weir__otlp_url_server(const char *url, char *host, size_t size, unsigned *port);

#endif
