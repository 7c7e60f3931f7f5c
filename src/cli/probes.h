/* weir, the command: weir probes. */
#ifndef WEIR_CLI_PROBES_H
#define WEIR_CLI_PROBES_H

int probes_run(int argc, char **argv);

#endif
