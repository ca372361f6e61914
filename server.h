/* server.h - `opensandbox serve`, `opensandbox health` and `opensandbox sessions` */
#ifndef SERVER_H
#define SERVER_H

#include "options.h"

/* Runs until SIGTERM. Returns the exit status of the process. */
int server_run(const struct options *options);
/* Asks a running server on this machine for /health: 0 when it answers OK, 1 when not. */
int server_health(const struct options *options);
/* Becomes a command of the host's where the trees of sessions are. Returns an exit status where that cannot be done. */
int server_sessions(const struct options *options);

#endif
