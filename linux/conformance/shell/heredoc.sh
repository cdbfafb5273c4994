#!/bin/bash
# Here-documents: expanded, quoted, with tabs, several, in functions and loops, large ones.
name=world
cat <<END
hello $name $((6 * 7)) $(echo sub) \$literal
END
cat <<'END'
hello $name $(no)
END
cat <<-END
	tabs gone
		all of them
	END
cat <<A; cat <<B
first
A
second
B
f() { cat <<END
in $1
END
}
f function
for i in 1 2; do cat <<END; done
loop $i
END
while read -r line; do echo "<$line>"; done <<END
one

three
END
text=$(seq 1 5000)
wc -l <<END
$text
END
