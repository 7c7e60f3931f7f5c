/* weir spans: the spans and requests of a process, as they end. */
#ifndef WEIR_CLI_SPANS_H
#define WEIR_CLI_SPANS_H

int spans_run(int argc, char **argv);

#endif
