/* weir watch: one series, as it goes. */
#ifndef WEIR_CLI_WATCH_H
#define WEIR_CLI_WATCH_H

int watch_run(int argc, char **argv);

#endif
