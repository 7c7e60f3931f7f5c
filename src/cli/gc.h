/* weir gc: removes segments that are files and whose writers are dead. */
#ifndef WEIR_CLI_GC_H
#define WEIR_CLI_GC_H

int gc_run(int argc, char **argv);

#endif
