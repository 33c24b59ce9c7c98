package batch
import ("testing";"context";"encoding/json";"os";"bufio"
"github.com/vivagrader/grader/internal/grade"
"github.com/vivagrader/grader/internal/wire"
"github.com/vivagrader/grader/internal/rubric"
"github.com/vivagrader/grader/rubrics")
func BenchmarkZZ(b *testing.B){
 bk,err:=rubric.Open(rubrics.NodeJS(),"x"); if err!=nil{b.Fatal(err)}
 g:=grade.New(bk,"v")
 f,_:=os.Open("/work/shared/dev/answers.jsonl"); sc:=bufio.NewScanner(f); sc.Buffer(nil,1<<20)
 var ents []entry
 for sc.Scan(){ ents=append(ents,parseJSON(record{data:sc.Bytes()})) }
 var cs []*grade.Critique
 for _,e:=range ents { c,err:=g.Grade(e.question,e.answer); if err!=nil{b.Fatal(err)}; cs=append(cs,c)}
 b.Run("grade",func(b *testing.B){ i:=0; b.ReportAllocs(); for b.Loop(){ e:=ents[i%len(ents)]; g.Grade(e.question,e.answer); i++}})
 b.Run("wire",func(b *testing.B){ i:=0; b.ReportAllocs(); for b.Loop(){ jsonEncoder{}.encode(result{entry:ents[i%len(ents)],critique:cs[i%len(ents)]}); i++}})
 b.Run("convert",func(b *testing.B){ i:=0; b.ReportAllocs(); for b.Loop(){ wire.Graded("x",cs[i%len(ents)]); i++}})
 b.Run("parse",func(b *testing.B){ i:=0; b.ReportAllocs(); x:=make([][]byte,len(ents)); for k,e:=range ents {x[k],_=json.Marshal(map[string]any{"id":"x","question_id":e.question,"text":e.answer.Text})}; b.ResetTimer(); for b.Loop(){ parseJSON(record{data:x[i%len(ents)]}); i++}})
 _=context.Background
}
