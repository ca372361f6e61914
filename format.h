/* format.h - printf's formats, as far as this program uses them */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Before a function like printf's definition: it needs not keep the registers that doubles would come in. (glibc's <stdio.h> has
 * inline functions that do not go with it.) */
#if defined(__GNUC__) && !defined(__clang__) && !defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))
#define NO_DOUBLES __attribute__((target("general-regs-only")))
#else
#define NO_DOUBLES
#endif

/* vsnprintf (C11, 7.21.6.12), for %d %i %u %x %X %o %c %s %% with the flags - and 0, a width, a precision (of %s), and the
 * lengths hh h l ll j z t. Anything else is shown as it is written. */
int format_text(char *text, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

#endif
