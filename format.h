/* format.h - printf's formats, as far as this program uses them */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* vsnprintf (C11, 7.21.6.12), for %d %i %u %x %X %o %c %s %f %% with the flags - and 0, a width, a precision (of %s and %f), and the
 * lengths hh h l ll j z t. A double is rounded half up and must be below 1e18; anything else is shown as it is written. */
int format_text(char *text, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

#endif
