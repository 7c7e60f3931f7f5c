/* weir top: a process' requests, tenants and losses, as they go. */
#ifndef WEIR_CLI_TOP_H
#define WEIR_CLI_TOP_H

int top_run(int argc, char **argv);

#endif
