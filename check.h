/* check.h - `opensandbox check`: what this host gives, found by trying */
#ifndef CHECK_H
#define CHECK_H

#include "options.h"

/* Prints a line a protection and a limit. 0: all ok, 1: something degraded, 2: something missing. */
int check_run(const struct options *options);

#endif
