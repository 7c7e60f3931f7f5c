/* weir-prometheus: the bytes for a server of your own. See weir/prometheus.h. Layer: exporter, pure: no data of its
 * own. */
#include "encode.h"

#include <weir/prometheus.h>

/* What no Accept header takes is answered all the same, in the format that everybody reads. */
static struct weir__prom_variant variant_of(const char *accept)
{
	struct weir__prom_variant variant;

	weir__prom_negotiate(&variant, accept, accept != NULL ? strlen(accept) : 0);
	return variant;
}

const char *weir_prometheus_content_type(const char *accept)
{
	return weir__prom_content_type(variant_of(accept));
}

int weir_prometheus_write(const struct weir_snapshot *snapshot, const char *accept, weir_write_fn *write, void *arg)
{
	struct weir__out out;
	int error, end;

	weir__out_flushed(&out, write, arg);
	error = weir__prom_encode(snapshot, variant_of(accept), &out);
	end = weir__out_finish(&out);
	return error != WEIR_OK ? error : end;
}

int weir_prometheus_encode(const struct weir_snapshot *snapshot, const char *accept, char *buf, size_t size,
                           size_t *len)
{
	struct weir__out out;
	int error, end;

	weir__out_fixed(&out, buf, size);
	error = weir__prom_encode(snapshot, variant_of(accept), &out);
	end = weir__out_finish(&out);
	*len = out.total;
	if (error != WEIR_OK || end != WEIR_OK)
		return error != WEIR_OK ? error : end;
	if (buf != NULL && size > out.total)
		buf[out.total] = '\0';
	return size < out.total ? WEIR_ENOMEM : WEIR_OK;
}
