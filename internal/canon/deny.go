package canon

// denial is what turns a sentence into its negated twin.
const denial = "It is not true that "

// Deny returns a sentence with "It is not true that" before it, and its first word in lower case unless it is a name.
func Deny(sentence string) string {
	if s := sentence; len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && (s[1] >= 'a' && s[1] <= 'z' || s[0] == 'A' && s[1] == ' ') {
		return denial + string(s[0]+'a'-'A') + s[1:]
	}
	return denial + sentence
}
