/* L5: the console exporter: ended spans as text on standard error, one tree a trace. For development. */
#ifndef WEIR_CONSOLE_H
#define WEIR_CONSOLE_H

/* Registers it with the pipeline that has just been started. What goes wrong is told to the log. */
void weir__console_start(void);

#endif
