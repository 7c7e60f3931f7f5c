/* orders: a socket that listens. */
#ifndef ORDERS_LISTENER_H
#define ORDERS_LISTENER_H

#include "args.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LISTENER_TEXT = 128 };

/* The socket, and where it is as ADDR:PORT (the port that was found, where 0 was asked); -1: it has said why not. */
int listener_open(const struct address *address, char text[LISTENER_TEXT]);

#ifdef __cplusplus
}
#endif

#endif
