package main
import ("testing";"os";"encoding/json";"strings";"github.com/vivagrader/grader/internal/rubric";"github.com/vivagrader/grader/rubrics")
func TestZZ(t *testing.T){
 data,_:=os.ReadFile("/work/shared/dev/spoken/prompts.json"); var m map[string]string; json.Unmarshal(data,&m)
 b,_:=rubric.Open(rubrics.NodeJS(),"x")
 for id,p:=range m { q,_:=b.Question(id); 
  v:=vocabulary(q)
  set:=func(s string)map[string]bool{r:=map[string]bool{};s=strings.TrimSuffix(strings.TrimPrefix(s,"Node.js interview: "),".");for _,x:=range strings.Split(s,", "){r[x]=true};return r}
  a,c:=set(p),set(v); var miss,extra []string; for x:=range a{if !c[x]{miss=append(miss,x)}}; for x:=range c{if !a[x]{extra=append(extra,x)}}
  t.Log(id,"missing",miss,"extra",extra)}
}
