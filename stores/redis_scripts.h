/* SPDX-License-Identifier: MIT */
/* What is executed in the server: Lua 5.1, one script per operation. Each is atomic, but an error in the middle would not undo
 * what is before it: therefore all checks come first, and the first write is one that a server without memory refuses.
 * Every key is declared. The last argument is "1" when the same call was sent before and may have been executed.
 *
 * Numbers of Lua are doubles. Times are below 2^53, what is later is "never" (INT64_MAX); epochs, heads and steps are
 * compared and kept as decimal texts, counted up by Redis. Codes that scripts answer are those of enum eyot__redis_code,
 * statuses those of eyot_run_status (3 suspended, 2 running, 7 done; asserted in redis.c).
 *
 * Keys of a bucket: run:ID (hash: the row), log:ID (list: entries from base + 1 on, "" where one was pruned), snaps:ID (zset:
 * seqs of snapshots), in:ID (hash: messages, "" when consumed), inq:ID (zset: those that wait), runs (zset: ids by created),
 * held:QUEUE (zset: FP/ID by lease end), wait:QUEUE (zset: PRIO/FP/ID by due time), ready:QUEUE (zset: DUE FP/ID by -priority:
 * what was found due), out (zset: event ids by number), ev (hash: events), outn (the last number), kv:NS (hash), kvx:NS
 * (zset: keys by end), vn (the last version), tomb:ID, del:ID. */
#ifndef EYOT_STORES_REDIS_SCRIPTS_H
#define EYOT_STORES_REDIS_SCRIPTS_H

/* now, and times after it: as a text for the row and as a score. */
#define LUA_CLOCK                                                                     \
    "local C=redis.call local t=C('TIME') local now=t[1]*1000+math.floor(t[2]/1000) " \
    "local NEVER='9223372036854775807' "                                              \
    "local function text(v) return string.format('%.0f',v) end "                      \
    "local function after(ms) local v=now+tonumber(ms) "                              \
    "if v>=9007199254740992 then return NEVER,'+inf' end return text(v),text(v) end "

/* Where a run is found when it is due. */
#define LUA_PLACES                          \
    "local function ready_name(due,fp,id) " \
    "return string.format('%016.0f',math.max(0,tonumber(due)))..fp..'/'..id end "

#define LUA_FIELD(name) ",'" #name "'"
#define LUA_ROW EYOT__REDIS_FIELDS(LUA_FIELD)

#define LUA_PUSH_ENTRIES /* from, n: the entries in ARGV; in portions, for the stack of Lua is small */ \
    "local function push(key,from,n) for i=from,from+n-1,1000 do "                                      \
    "C('RPUSH',key,unpack(ARGV,i,math.min(i+999,from+n-1))) end end "

/* from: event id, event, …; an event that is there already is not added again. */
#define LUA_PUSH_EVENTS                                                   \
    "local function emit(out,ev,outn,from,n) for i=from,from+2*n-2,2 do " \
    "if C('HSETNX',ev,ARGV[i],ARGV[i+1])==1 then "                        \
    "C('ZADD',out,C('INCR',outn),ARGV[i]) end end end "

/* KEYS run log held wait snaps runs tomb out ev outn
 * ARGV id graph fp origin queue owner token prio n steps snap status crc lease due_in n_snaps n_events | entries | snaps | events */
#define LUA_CREATE                                                                                                  \
    LUA_CLOCK LUA_PUSH_ENTRIES LUA_PUSH_EVENTS                                                                      \
        "local A=ARGV local n,ns,ne=tonumber(A[9]),tonumber(A[16]),tonumber(A[17]) "                                \
        "local r=C('HMGET',KEYS[1],'token','epoch','head','crc') "                                                  \
        "if r[1] then if A[#A]=='1' and r[1]==A[7] and r[2]=='1' and r[3]==A[9] and r[4]==A[13] then return 0 end " \
        "return 6 end "                                                                                             \
        "if C('EXISTS',KEYS[7])==1 then return 6 end "                                                              \
        "local due,score if A[14]~='0' then due,score=after(A[14]) "                                                \
        "elseif A[12]=='7' then due,score=NEVER,'+inf' else due,score=after(A[15]) end "                            \
        "local at=text(now) "                                                                                       \
        "C('HSET',KEYS[1],'graph',A[2],'fp',A[3],'origin',A[4],'queue',A[5],'owner',A[6],'token',A[7],'epoch','1'," \
        "'head',A[9],'steps',A[10],'snap',A[11],'status',A[12],'attempts','0','prio',A[8],'crc',A[13],'due',due,"   \
        "'created',at,'updated',at,'base','0') "                                                                    \
        "push(KEYS[2],18,n) "                                                                                       \
        "for i=18+n,17+n+ns do C('ZADD',KEYS[5],A[i],A[i]) end "                                                    \
        "C('ZADD',KEYS[6],at,A[1]) "                                                                                \
        "emit(KEYS[8],KEYS[9],KEYS[10],18+n+ns,ne) "                                                                \
        "if A[6]=='' then if due~=NEVER then C('ZADD',KEYS[4],score,A[8]..'/'..A[3]..'/'..A[1]) end "               \
        "elseif A[12]~='7' then C('ZADD',KEYS[3],score,A[3]..'/'..A[1]) end "                                       \
        "return 0"

/* KEYS run log held [wait snaps in inq out ev outn]
 * ARGV id queue epoch token head after crc n steps status lease due_in snap n_snaps n_done n_events
 *      | entries | snaps | done | events
 * The three keys are enough for a commit that goes on with the lease and brings nothing but entries. */
#define LUA_COMMIT                                                                                                \
    LUA_CLOCK LUA_PUSH_ENTRIES LUA_PUSH_EVENTS                                                                    \
        "local A=ARGV local n=tonumber(A[8]) "                                                                    \
        "local r=C('HMGET',KEYS[1],'epoch','token','head','crc','owner','queue','fp','base','prio','attempts') "  \
        "if not r[1] then return 4 end "                                                                          \
        "if r[1]~=A[3] or r[2]~=A[4] then return 3 end "                                                          \
        "if n>0 and r[3]==A[6] and r[4]==A[7] then return 1 end "                                                 \
        "if r[3]~=A[5] then return 2 end "                                                                        \
        "if r[5]=='' then if n==0 and A[11]=='0' then return 1 end return 3 end "                                 \
        "if r[6]~=A[2] then return {7,r[6]} end "                                                                 \
        "if n>0 and C('LLEN',KEYS[2])~=r[3]-r[8] then return 8 end "                                              \
        "local due,score if A[11]~='0' then due,score=after(A[11]) "                                              \
        "elseif A[10]=='7' then due,score=NEVER,'+inf' else due,score=after(A[12]) end "                          \
        "local member=r[7]..'/'..A[1] "                                                                           \
        "push(KEYS[2],17,n) "                                                                                     \
        "if n>0 then C('HSET',KEYS[1],'head',A[6],'steps',A[9],'crc',A[7],'attempts','0','status',A[10],"         \
        "'due',due,'updated',text(now)) "                                                                         \
        "else C('HSET',KEYS[1],'status',A[10],'due',due,'updated',text(now)) end "                                \
        "if #KEYS==3 then C('ZADD',KEYS[3],score,member) return 0 end "                                           \
        "local ns,nd,ne=tonumber(A[14]),tonumber(A[15]),tonumber(A[16]) "                                         \
        "local from=17+n "                                                                                        \
        "if A[13]~='0' then C('HSET',KEYS[1],'snap',A[13]) end "                                                  \
        "for i=from,from+ns-1 do C('ZADD',KEYS[5],A[i],A[i]) end "                                                \
        "from=from+ns "                                                                                           \
        "for i=from,from+nd-1 do if C('HEXISTS',KEYS[6],A[i])==1 then C('HSET',KEYS[6],A[i],'') "                 \
        "C('ZREM',KEYS[7],A[i]) end end "                                                                         \
        "emit(KEYS[8],KEYS[9],KEYS[10],from+nd,ne) "                                                              \
        "if A[11]~='0' then if A[10]=='7' then C('ZREM',KEYS[3],member) else C('ZADD',KEYS[3],score,member) end " \
        "return 0 end "                                                                                           \
        "if A[10]=='3' and C('EXISTS',KEYS[7])==1 then due,score=text(now),text(now) end "                        \
        "C('HSET',KEYS[1],'owner','','due',due) "                                                                 \
        "if n==0 and r[10]~='0' then C('HINCRBY',KEYS[1],'attempts','-1') end "                                   \
        "C('ZREM',KEYS[3],member) "                                                                               \
        "if due~=NEVER then C('ZADD',KEYS[4],score,r[9]..'/'..member) end "                                       \
        "return 0"

/* KEYS run held wait ready   ARGV id queue owner token lease steal by_queue
 * {code, now, the row …} */
#define LUA_CLAIM                                                                                      \
    LUA_CLOCK LUA_PLACES                                                                               \
        "local A=ARGV local r=C('HMGET',KEYS[1]" LUA_ROW ") "                                          \
        "local function answer(code) table.insert(r,1,text(now)) table.insert(r,1,code) return r end " \
        "if not r[1] then return 4 end "                                                               \
        "local due=tonumber(r[15]) local held=r[5]~='' and (r[15]==NEVER or due>now) "                 \
        "if A[#A]=='1' and r[5]==A[3] and r[6]==A[4] and r[7]~='1' then return answer(0) end "         \
        "if A[7]=='1' then if r[11]=='7' or r[15]==NEVER or due>now then return 4 end "                \
        "elseif r[11]=='7' then return answer(1) "                                                     \
        "elseif held and A[6]~=r[7] then return answer(5) end "                                        \
        "if r[4]~=A[2] then return {7,r[4]} end "                                                      \
        "local until_,score=after(A[5]) local member=r[2]..'/'..A[1] "                                 \
        "C('HSET',KEYS[1],'owner',A[3],'token',A[4],'status','2','due',until_,'updated',text(now)) "   \
        "C('HINCRBY',KEYS[1],'epoch',1) C('HINCRBY',KEYS[1],'attempts',1) "                            \
        "if r[5]=='' and r[15]~=NEVER then C('ZREM',KEYS[3],r[13]..'/'..member) "                      \
        "C('ZREM',KEYS[4],ready_name(r[15],r[2],A[1])) end "                                           \
        "C('ZADD',KEYS[2],score,member) "                                                              \
        "r=C('HMGET',KEYS[1]" LUA_ROW ") return answer(0)"

/* KEYS held wait ready   ARGV fingerprints that are wanted: none means any
 * false, or {1, lease end, FP/ID} or {2, -priority, DUE FP/ID}: the best of this bucket. What has become due is first put
 * in the order of priority. */
#define LUA_FIND                                                                                         \
    LUA_CLOCK LUA_PLACES                                                                                 \
        "local want,any={},#ARGV==1 for i=1,#ARGV-1 do want[ARGV[i]]=true end "                          \
        "local function fits(m,from) return any or want[string.match(m,'^(.*)/[^/]*$',from) or ''] end " \
        "local function first(from,page) "                                                               \
        "local at=0 while true do local l=page(at,any and 1 or 100) "                                    \
        "for i=1,#l,2 do if fits(l[i],from) then return l[i],l[i+1] end end "                            \
        "if any or #l<200 then return end at=at+100 end end "                                            \
        "local m,score=first(1,function(at,n) "                                                          \
        "return C('ZRANGEBYSCORE',KEYS[1],'-inf',text(now),'WITHSCORES','LIMIT',at,n) end) "             \
        "if m then return {1,score,m} end "                                                              \
        "while true do local w=C('ZRANGEBYSCORE',KEYS[2],'-inf',text(now),'WITHSCORES','LIMIT',0,500) "  \
        "if #w==0 then break end "                                                                       \
        "for i=1,#w,2 do local prio,fp,id=string.match(w[i],'^(-?%d+)/(.*)/([^/]*)$') "                  \
        "C('ZADD',KEYS[3],text(-prio),ready_name(w[i+1],fp,id)) C('ZREM',KEYS[2],w[i]) end end "         \
        "m,score=first(17,function(at,n) return C('ZRANGE',KEYS[3],at,at+n-1,'WITHSCORES') end) "        \
        "if m then return {2,score,m} end return false"

/* KEYS run log snaps   ARGV seq (empty: the latest)
 * {0, from, to, {entries}}; {4}: no run; {2}: no such seq; {9, seq}: that one was pruned; {8}: the log ends elsewhere */
#define LUA_LOAD                                                                                       \
    "local C=redis.call local r=C('HMGET',KEYS[1],'head','snap','base') "                              \
    "if not r[1] then return {4} end "                                                                 \
    "local head,base=tonumber(r[1]),tonumber(r[3]) local to,from=head,tonumber(r[2]) "                 \
    "if not head or not base or not from or C('LLEN',KEYS[2])~=head-base then return {8} end "         \
    "if ARGV[1]~='' then to=tonumber(ARGV[1]) if to==0 or to>head then return {2} end "                \
    "local s=C('ZREVRANGEBYSCORE',KEYS[3],ARGV[1],'-inf','LIMIT',0,1) from=tonumber(s[1] or '0') end " \
    "if from==0 then from=1 end "                                                                      \
    "if to==0 then return {0,1,0,{}} end "                                                             \
    "if from<=base then return {9,from} end "                                                          \
    "return {0,from,to,C('LRANGE',KEYS[2],from-1-base,to-1-base)}"

/* KEYS run log   ARGV from limit with_bodies most_bytes
 * {0, the seq to go on from or 0, {entries}}: up to so many bytes, one at least; the place of one that was pruned counts, too, so
 * that no call takes long. Of an entry without its body the header and the key, whose length its bytes 18 and 19 are. */
#define LUA_LIST_ENTRIES                                                                                  \
    "local C=redis.call local r=C('HMGET',KEYS[1],'head','base') if not r[1] then return {4} end "        \
    "local head,base,limit=tonumber(r[1]),tonumber(r[2]),tonumber(ARGV[2]) "                              \
    "if not head or not base or C('LLEN',KEYS[2])~=head-base then return {8} end "                        \
    "local at,out,bytes=math.max(tonumber(ARGV[1]),base+1),{},0 local most=tonumber(ARGV[4]) "            \
    "while at<=head and #out<limit and bytes<most do "                                                    \
    "local l=C('LRANGE',KEYS[2],at-1-base,at-1-base+(bytes==0 and 0 or 31)) "                             \
    "for i=1,#l do if #out==limit or bytes>=most then break end "                                         \
    "local e=l[i] at=at+1 if e=='' then bytes=bytes+64 else "                                             \
    "if ARGV[3]=='0' then local a,b=string.byte(e,18,19) e=string.sub(e,1,19+(a or 0)+256*(b or 0)) end " \
    "out[#out+1]=e bytes=bytes+#e end end end "                                                           \
    "return {0,(at<=head and #out<limit) and at or 0,out}"

/* KEYS run in inq wait ready   ARGV message id, message, run id, queue */
#define LUA_POST                                                                                        \
    LUA_CLOCK LUA_PLACES                                                                                \
        "local A=ARGV local r=C('HMGET',KEYS[1],'status','owner','queue','fp','prio','due') "           \
        "if not r[1] then return 4 end "                                                                \
        "if C('HEXISTS',KEYS[2],A[1])==1 then return 0 end "                                            \
        "local wake=r[1]=='3' and r[2]=='' "                                                            \
        "if wake and r[3]~=A[4] then return {7,r[3]} end "                                              \
        "C('HSET',KEYS[2],A[1],A[2]) "                                                                  \
        "C('ZADD',KEYS[3],C('HINCRBY',KEYS[1],'in',1),A[1]) "                                           \
        "if wake then if r[6]~=NEVER then C('ZREM',KEYS[5],ready_name(r[6],r[4],A[3])) end "            \
        "C('HSET',KEYS[1],'due',text(now)) C('ZADD',KEYS[4],text(now),r[5]..'/'..r[4]..'/'..A[3]) end " \
        "return 0"

/* KEYS run in inq: {0, {ids}, {messages}} */
#define LUA_INBOX                                                       \
    "local C=redis.call if C('EXISTS',KEYS[1])==0 then return {4} end " \
    "local ids,out=C('ZRANGE',KEYS[3],0,-1),{} "                        \
    "for i=1,#ids do out[i]=C('HGET',KEYS[2],ids[i]) end return {0,ids,out}"

/* KEYS out ev   ARGV after limit most_bytes: {id, number, event, …}; events of one byte at least, to so many bytes */
#define LUA_OUTBOX                                                                                              \
    "local C=redis.call local l=C('ZRANGEBYSCORE',KEYS[1],'('..ARGV[1],'+inf','WITHSCORES','LIMIT',0,ARGV[2]) " \
    "local out,bytes={},0 for i=1,#l,2 do if bytes>tonumber(ARGV[3]) then break end "                           \
    "local e=C('HGET',KEYS[2],l[i]) out[#out+1]=l[i] out[#out+1]=l[i+1] out[#out+1]=e "                         \
    "bytes=bytes+#(e or '') end return out"

/* KEYS out ev   ARGV ids */
#define LUA_ACK "for i=1,#ARGV-1 do redis.call('ZREM',KEYS[1],ARGV[i]) redis.call('HDEL',KEYS[2],ARGV[i]) end return 0"

/* KEYS kv kvx vn   ARGV key version ttl nonce value
 * A value is "VERSION END " and 16 bytes of who wrote it, then the bytes. What has ended is removed along the way; a
 * namespace in which all has an end ends with the last. */
#define LUA_KV_CAS                                                                                    \
    LUA_CLOCK                                                                                         \
    "local A=ARGV local old=C('HGET',KEYS[1],A[1]) local is='0' "                                     \
    "if old then local v,e,f=string.match(old,'^(%d+) (%d+) ()') "                                    \
    "if e==NEVER or tonumber(e)>now then is=v "                                                       \
    "if A[#A]=='1' and string.sub(old,f,f+15)==A[4] then return 0 end end end "                       \
    "if is~=A[2] then return 2 end "                                                                  \
    "local due,score if A[3]=='0' then due,score=NEVER,'+inf' else due,score=after(A[3]) end "        \
    "local v=C('INCR',KEYS[3]) "                                                                      \
    "C('HSET',KEYS[1],A[1],text(v)..' '..due..' '..A[4]..A[5]) C('ZADD',KEYS[2],score,A[1]) "         \
    "local gone=C('ZRANGEBYSCORE',KEYS[2],'-inf',text(now),'LIMIT',0,20) "                            \
    "for i=1,#gone do C('HDEL',KEYS[1],gone[i]) C('ZREM',KEYS[2],gone[i]) end "                       \
    "local last=C('ZRANGE',KEYS[2],-1,-1,'WITHSCORES')[2] "                                           \
    "for i=1,2 do if last=='inf' then C('PERSIST',KEYS[i]) else C('PEXPIREAT',KEYS[i],last) end end " \
    "return 0"

/* KEYS run log snaps   ARGV head, seqs: {0}, {4}, {2, head}, {9, seq that is needed} */
#define LUA_PRUNE                                                                                    \
    "local C=redis.call local A=ARGV local r=C('HMGET',KEYS[1],'head','snap','base') "               \
    "if not r[1] then return {4} end if r[1]~=A[1] then return {2,r[1]} end "                        \
    "local snap,base=tonumber(r[2]),tonumber(r[3]) local gone={} "                                   \
    "for i=2,#A-1 do local seq=tonumber(A[i]) if seq==0 or seq>=snap then return {9,A[i]} end "      \
    "gone[#gone+1]=seq end "                                                                         \
    "if C('LLEN',KEYS[2])~=r[1]-base then return {8} end "                                           \
    "C('ZREM',KEYS[3],'0') " /* a first write that is never refused: pruning makes room */           \
    "for i=1,#gone do if gone[i]>base then C('LSET',KEYS[2],gone[i]-1-base,'') end "                 \
    "C('ZREM',KEYS[3],gone[i]) end "                                                                 \
    "local n=0 while base+n+1<snap and C('LINDEX',KEYS[2],n)=='' do n=n+1 end "                      \
    "if n>0 then C('LTRIM',KEYS[2],n,-1) C('HSET',KEYS[1],'base',string.format('%.0f',base+n)) end " \
    "return {0}"

/* KEYS run log snaps held wait ready in inq runs kv kvx tomb del   ARGV id epoch queue nonce
 * {0}, {4}, {5, owner}, {7, queue} */
#define LUA_DELETE                                                                                       \
    LUA_CLOCK LUA_PLACES                                                                                 \
        "local A=ARGV local r=C('HMGET',KEYS[1],'owner','due','epoch','queue','fp','prio') "             \
        "if not r[1] then if A[#A]=='1' and C('GET',KEYS[13])==A[4] then return {0} end return {4} end " \
        "local held=r[1]~='' and (r[2]==NEVER or tonumber(r[2])>now) "                                   \
        "if r[3]~=A[2] and (held or A[2]~='0') then return {5,r[1]} end "                                \
        "if r[4]~=A[3] then return {7,r[4]} end "                                                        \
        "local member=r[5]..'/'..A[1] "                                                                  \
        "C('UNLINK',KEYS[1],KEYS[2],KEYS[3],KEYS[7],KEYS[8],KEYS[10],KEYS[11]) "                         \
        "C('ZREM',KEYS[4],member) C('ZREM',KEYS[5],r[6]..'/'..member) C('ZREM',KEYS[9],A[1]) "           \
        "if r[2]~=NEVER then C('ZREM',KEYS[6],ready_name(r[2],r[5],A[1])) end "                          \
        "if held then C('SET',KEYS[12],'1') if r[2]~=NEVER then C('PEXPIREAT',KEYS[12],r[2]) end end "   \
        "C('SET',KEYS[13],A[4],'PX',600000) "                                                            \
        "return {0}"

#endif
