/* server.h - `opensandbox serve` and `opensandbox health` */
#ifndef SERVER_H
#define SERVER_H

#include "options.h"

/* Runs until SIGTERM. Returns the exit status of the process. */
int server_run(const struct options *options);
/* Asks a running server on this machine for /health: 0 when it answers OK, 1 when not. */
int server_health(const struct options *options);

#endif
