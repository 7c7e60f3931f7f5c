/* weir, the command: what a series says as a number and by name. Pure. */
#ifndef WEIR_CLI_MEASURE_H
#define WEIR_CLI_MEASURE_H

#include "segment_model.h"

/* A series' value in its exported unit; of a histogram how many values it has. cells: those of the series, now or before. */
double measure_value(const struct model_instrument *i, const struct model_series *s, const uint64_t *cells);
/* The value below which ppm millionths lie, in the exported unit; NAN: there are none; below 0: it is above all bounds, and the last
 * is what is told. counts: a histogram's buckets. */
double measure_quantile(const struct model_instrument *i, const uint64_t *counts, uint32_t ppm);
/* A counter never goes back; where a hostile one did, nothing happened. */
uint64_t measure_grown(uint64_t now, uint64_t before);

/* name{label="value",...}, cut to size - 1; its length. */
size_t measure_name(char *out, size_t size, const struct model *model, const struct model_instrument *i, const struct model_series *s);
/* Text at out + at, cut to size - 1, without a NUL; where it ends. */
size_t measure_put(char *out, size_t size, size_t at, const char *text, size_t len);

#endif
