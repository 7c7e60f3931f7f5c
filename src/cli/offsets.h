/* weir, the command: weir offsets. */
#ifndef WEIR_CLI_OFFSETS_H
#define WEIR_CLI_OFFSETS_H

int offsets_run(int argc, char **argv);

#endif
