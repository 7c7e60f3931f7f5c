/* weir dump: what its formats are given, and the formats. */
#ifndef WEIR_CLI_DUMP_H
#define WEIR_CLI_DUMP_H

#include "process.h"
#include "segment_model.h"

#include <stdio.h>

struct dump {
	const struct model *model;
	const char *name; /* of the service; NULL: not known, as its process is dead */
	const char *home;
	enum owner owner;
};

/* The 50th, 90th and 99th hundredth, as ppm. */
enum { DUMP_QUANTILES = 3 };
extern const struct dump_quantile {
	uint32_t ppm;
	const char *json, *table;
} dump_quantiles[DUMP_QUANTILES];

/* A series' one value, in the exported unit; of a histogram its sum. */
void dump_value(char out[64], const struct model_instrument *i, const struct model_series *s);

void dump_prom(FILE *out, const struct dump *dump);
void dump_json(FILE *out, const struct dump *dump);
void dump_table(FILE *out, const struct dump *dump);

int dump_run(int argc, char **argv);

#endif
