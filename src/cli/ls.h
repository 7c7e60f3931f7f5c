/* weir ls: the processes of this machine whose segments can be read. */
#ifndef WEIR_CLI_LS_H
#define WEIR_CLI_LS_H

int ls_run(int argc, char **argv);

#endif
