package wire

import (
	"google.golang.org/genproto/googleapis/rpc/code"

	graderv1 "github.com/vivagrader/grader/gen/grader/v1"
	"github.com/vivagrader/grader/internal/grade"
)

// Graded is the output line of a batch for an answer that was graded.
func Graded(id string, c *grade.Critique) *graderv1.BatchOutput {
	return &graderv1.BatchOutput{Id: id, Outcome: &graderv1.BatchOutput_Critique{Critique: Critique(c)}}
}

// Failed is the output line of a batch for an input line that could not be graded. Line is its number from 1, or 0
// where the id says which one it is.
func Failed(id string, line int, c code.Code, message string) *graderv1.BatchOutput {
	out := &graderv1.BatchOutput{Id: id, Outcome: &graderv1.BatchOutput_Error{Error: &graderv1.BatchError{Code: c, Message: message}}}
	if line > 0 {
		n := int32(line)
		out.Line = &n
	}
	return out
}
