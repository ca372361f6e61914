/* init.h - for when we are pid 1: of a container, or of a virtual machine */
#ifndef INIT_H
#define INIT_H

/* Does nothing unless the caller is pid 1. Else the program goes on in a child, where 0 is returned, and pid 1 becomes an
 * init: it passes signals on to that child, waits for whatever ends, and returns 1 when the child has, with *status its exit status
 * (128 + n after signal n). -errno: no child could be made. */
int init_split(int *status);

#endif
