/* start.h - the program's own image: addresses made right, and what needs no more writing made read-only */
#ifndef START_H
#define START_H

/* Makes the image's RELRO part read-only, where the C library does not do it by itself. The first thing of main(). */
void start_seal(void);

#endif
