/* libc.c - functions of libc's that are smaller here
 *
 * musl's formatter brings long double arithmetic and wide characters along, 13 KB of which nothing is used; its strstr is for long
 * texts. Where musl is the C library, these take their place: in a static link the first definition is the one that counts, also for
 * musl's other functions. With any other C library (that is a build for the tests) its own are left alone. */
#include "format.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef __GLIBC__

enum { LINE_SIZE = 1024 };

int
vsnprintf(char *restrict text, size_t size, const char *restrict format, va_list arguments)
{
	return format_text(text, size, format, arguments);
}

int
snprintf(char *restrict text, size_t size, const char *restrict format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int n = format_text(text, size, format, arguments);
	va_end(arguments);
	return n;
}

/* At once: stderr has no buffer, and lines of several processes should not mix. */
int
vfprintf(FILE *restrict file, const char *restrict format, va_list arguments)
{
	char line[LINE_SIZE], *text = line;

	int n = format_text(line, sizeof(line), format, arguments);
	if (n >= LINE_SIZE) {
		text = malloc((size_t)n + 1);
		if (!text)
			return -1;
		(void)format_text(text, (size_t)n + 1, format, arguments);
	}
	if (n > 0 && fwrite(text, 1, (size_t)n, file) != (size_t)n)
		n = -1;
	if (text != line)
		free(text);
	return n;
}

int
fprintf(FILE *restrict file, const char *restrict format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int n = vfprintf(file, format, arguments);
	va_end(arguments);
	return n;
}

int
printf(const char *restrict format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int n = vfprintf(stdout, format, arguments);
	va_end(arguments);
	return n;
}

char *
strstr(const char *text, const char *part)
{
	size_t n = strlen(part);

	for (; *text; text++)
		if (!strncmp(text, part, n))
			return (char *)(uintptr_t)text;
	return n ? NULL : (char *)(uintptr_t)text;
}

#endif
