/* weir, the command: how often top and watch look, and how many times: flags that are numbers. Pure. */
#ifndef WEIR_CLI_INTERVAL_H
#define WEIR_CLI_INTERVAL_H

#include <stdbool.h>

enum { INTERVAL_LEAST_MS = 10, INTERVAL_MOST_MS = 3600000, COUNT_MOST = 1000000000 };

/* A whole number from least to most; text NULL: *n stays as it is. False: it is none. */
bool interval_parse(const char *text, int least, int most, int *n);

#endif
