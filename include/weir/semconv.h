/* weir: names of attributes, as the stable semantic conventions of OpenTelemetry have them: for HTTP, databases, networks, URLs,
 * errors, services. Of messaging none is stable yet. A name that is put together is a prefix here: a header's own name, in
 * lower case, follows.
 *
 *   weir_span_set_with(&span, weir_attr_str(WEIR_HTTP_ROUTE, "/orders/{id}"));
 *
 * Source: OpenTelemetry semantic conventions 1.44. */
#ifndef WEIR_SEMCONV_H
#define WEIR_SEMCONV_H

#include <weir/base.h>

/* HTTP, server and client. */
#define WEIR_HTTP_REQUEST_METHOD          "http.request.method"
#define WEIR_HTTP_REQUEST_METHOD_ORIGINAL "http.request.method_original"
#define WEIR_HTTP_REQUEST_RESEND_COUNT    "http.request.resend_count"
#define WEIR_HTTP_RESPONSE_STATUS_CODE    "http.response.status_code"
#define WEIR_HTTP_ROUTE                   "http.route"
#define WEIR_HTTP_REQUEST_HEADER_PREFIX   "http.request.header."
#define WEIR_HTTP_RESPONSE_HEADER_PREFIX  "http.response.header."

/* Databases. */
#define WEIR_DB_SYSTEM_NAME           "db.system.name"
#define WEIR_DB_NAMESPACE             "db.namespace"
#define WEIR_DB_COLLECTION_NAME       "db.collection.name"
#define WEIR_DB_OPERATION_NAME        "db.operation.name"
#define WEIR_DB_OPERATION_BATCH_SIZE  "db.operation.batch.size"
#define WEIR_DB_QUERY_TEXT            "db.query.text"
#define WEIR_DB_QUERY_SUMMARY         "db.query.summary"
#define WEIR_DB_STORED_PROCEDURE_NAME "db.stored_procedure.name"
#define WEIR_DB_RESPONSE_STATUS_CODE  "db.response.status_code"

/* Network, and the two ends. */
#define WEIR_NETWORK_LOCAL_ADDRESS    "network.local.address"
#define WEIR_NETWORK_LOCAL_PORT       "network.local.port"
#define WEIR_NETWORK_PEER_ADDRESS     "network.peer.address"
#define WEIR_NETWORK_PEER_PORT        "network.peer.port"
#define WEIR_NETWORK_PROTOCOL_NAME    "network.protocol.name"
#define WEIR_NETWORK_PROTOCOL_VERSION "network.protocol.version"
#define WEIR_NETWORK_TRANSPORT        "network.transport"
#define WEIR_NETWORK_TYPE             "network.type"
#define WEIR_SERVER_ADDRESS           "server.address"
#define WEIR_SERVER_PORT              "server.port"
#define WEIR_CLIENT_ADDRESS           "client.address"
#define WEIR_CLIENT_PORT              "client.port"

/* URLs, user agents. */
#define WEIR_URL_FULL            "url.full"
#define WEIR_URL_SCHEME          "url.scheme"
#define WEIR_URL_PATH            "url.path"
#define WEIR_URL_QUERY           "url.query"
#define WEIR_URL_FRAGMENT        "url.fragment"
#define WEIR_USER_AGENT_ORIGINAL "user_agent.original"

/* Errors. */
#define WEIR_ERROR_TYPE           "error.type"
#define WEIR_EXCEPTION_TYPE       "exception.type"
#define WEIR_EXCEPTION_MESSAGE    "exception.message"
#define WEIR_EXCEPTION_STACKTRACE "exception.stacktrace"

/* Services. */
#define WEIR_SERVICE_NAME        "service.name"
#define WEIR_SERVICE_NAMESPACE   "service.namespace"
#define WEIR_SERVICE_VERSION     "service.version"
#define WEIR_SERVICE_INSTANCE_ID "service.instance.id"

#endif
