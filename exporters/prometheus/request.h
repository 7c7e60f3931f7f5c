/* weir-prometheus: a request, and what it is answered with: GET and HEAD /metrics, a page at /, and the errors.
 *
 * Layer: exporter, I/O. Invariant: a request's body is never read.
 * Writer: the endpoint's thread. */
#ifndef WEIR_PROM_REQUEST_H
#define WEIR_PROM_REQUEST_H

#include "answer.h"

bool weir__request_has_body(struct MHD_Connection *connection);
/* Queues the answer. MHD_NO: the connection is closed. */
enum MHD_Result weir__request_answer(struct weir__answers *answers, struct MHD_Connection *connection, const char *url,
                                     const char *method);

#endif
