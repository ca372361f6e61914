/* environment.h - the minimal environment of a command, and what a user adds to it */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include "buf.h"

struct variable {
	struct str name, value;
};

/* Adds the minimal environment (PATH, HOME, USER, LANG, TMPDIR) and then the given variables to a parcel; of two with one name the
 * later one counts, and the minimal ones give way. */
void environment_pack(struct buf *parcel, const struct variable *variables, size_t len);
/* A name that is empty or has '=' or NUL cannot be set; nor a value with NUL. */
bool environment_name_valid(struct str name);

#endif
