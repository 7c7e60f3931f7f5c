/* L5: what the process says of itself to readers outside (OTEP 4719): its resource, and what the keys of threads' records mean. */
#ifndef WEIR_PROCESS_CONTEXT_H
#define WEIR_PROCESS_CONTEXT_H

/* With the set-up lock held. Published, or what is published brought up to date; where there is no memory for it, nothing is. */
void weir__process_context_publish(void);
void weir__process_context_remove(void);
/* At each tick: published anew if there are keys that it does not tell of. Not while another sets up: the next tick does it. */
void weir__process_context_tick(void);

#endif
